"""Weights that become functions of their references: an MLP on MNIST, five seeds.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), embedded CMD; its accuracies are not available to us. After a
warm-up of F = 20 records 10 % of the weights are embedded each 3 epochs: all but the
references by epoch 51 of 60. Four runs, as in `digits_embedded`.
Command: python experiments/run.py --config mnist_mlp_embedded
Hardware: one CPU core, 40 minutes (scripts/prepare_data mnist first).
Found, five seeds: none 98.15 +- .05, snap 98.10 +- .03, tied 98.05 +- .05 %; by freeze
one seed diverges at epoch 56, which ends that run: the command goes on, and exits 1.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `mnist_mlp` with its argument, longer, with momentum and embedding."""
    config = configs.load(pathlib.Path(__file__).with_name("mnist_mlp.py"), argument)
    is_smoke = config.train.total_epochs < 30
    config.train.total_epochs = 8 if is_smoke else 60
    config.train.num_seeds = 2 if is_smoke else 5
    config.optimizer.learning_rate, config.optimizer.momentum = 0.01, 0.9
    config.embedding = configs.embedding(every_records=2 if is_smoke else 3)
    return config


def sweep() -> list[dict[str, Any]]:
    """The sweep of `digits_embedded`: all weights trained, and the three treatments."""
    return configs.overrides(pathlib.Path(__file__).with_name("digits_embedded.py"))
