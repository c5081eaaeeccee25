"""The four optimizers of Table 2 on digits: `digits` once with each.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 2, whose numbers are ResNet18's: here its rows at the size of
`digits`. The learning rates are ours.
Command: python experiments/run.py --config digits_optimizers
Hardware: 2 CPU cores, about two minutes with the pages.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `digits` with its argument."""
    return configs.load(pathlib.Path(__file__).with_name("digits.py"), argument)


def sweep() -> list[dict[str, Any]]:
    """SGD, SGD with momentum, the same with a schedule, Adam."""
    momentum = {"optimizer.learning_rate": 0.01, "optimizer.momentum": 0.9}
    return [
        {"optimizer.learning_rate": 0.05},
        momentum,
        momentum | {"optimizer.schedule": "cosine"},
        {
            "optimizer.name": "adam",
            "optimizer.learning_rate": 1e-3,
            "optimizer.momentum": 0.9,
        },
    ]
