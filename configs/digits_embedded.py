"""Weights that become functions of their references: an MLP on digits, five seeds.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), embedded CMD; its accuracies are not available to us. After a
warm-up of F = 20 records 10 % of the weights are embedded each 5 epochs, the first at
the end of epoch 26: all but the references by epoch 71. Four runs: all weights trained,
and embedded ones snapped, as released, frozen, or tied.
Command: python experiments/run.py --config digits_embedded
Hardware: 2 CPU cores, 6 minutes.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `digits` with its argument, longer, with momentum and embedding."""
    config = configs.load(pathlib.Path(__file__).with_name("digits.py"), argument)
    is_smoke = config.train.total_epochs < 60
    config.train.total_epochs = 8 if is_smoke else 100
    config.train.num_seeds = 2 if is_smoke else 5
    config.optimizer.learning_rate, config.optimizer.momentum = 0.01, 0.9
    config.embedding = configs.embedding(every_records=2 if is_smoke else 5)
    return config


def sweep() -> list[dict[str, Any]]:
    """All weights trained, and the three treatments."""
    treatments = ("none", "snap", "freeze", "tied")
    return [{"embedding.treatment": name} for name in treatments]
