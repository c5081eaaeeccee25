"""Weights that become functions of their references: LeNet-5 on CIFAR-10.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), embedded CMD; its accuracies are not available to us. With the
defaults of the released code, F = 20, L = 10, P = 10 %, all but the references are
embedded from epoch 121 on. Three runs, the treatments; `lenet5` trains all weights.
Command: python experiments/run.py --config lenet5_embedded
Hardware: one CPU core, 70 minutes or more a seed and run (scripts/prepare_data cifar10
first).
Found, one seed: by snap 75.0 % at epoch 120 of 150, 70.6 at its end; tied 77.9, 78.3;
all weights trained 74.9, 75.5.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `lenet5` with its argument, and embedding."""
    config = configs.load(pathlib.Path(__file__).with_name("lenet5.py"), argument)
    is_smoke = config.train.total_epochs < 150
    config.paper = ConfigDict()
    config.embedding = configs.embedding(every_records=2 if is_smoke else 10)
    if is_smoke:
        config.train.total_epochs = 8
    return config


def sweep() -> list[dict[str, Any]]:
    """The three treatments."""
    return [{"embedding.treatment": name} for name in ("snap", "freeze", "tied")]
