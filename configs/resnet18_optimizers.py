"""ResNet18 on CIFAR-10 with four optimizers: Table 2.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 2; its numbers stand in `_PAPER` below. Of its learning rates
only that of momentum is published (0.05, constant). The others are ours and not tuned:
0.1 for SGD, a cosine to zero from 0.05 as the schedule, 1e-3 for Adam, which the paper
uses for other networks. The settings of its EMA and SWA are not published either.
Command: python experiments/run.py --config resnet18_optimizers
Hardware: four times that of `resnet18`; not run in full.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_METHODS = ("SGD", "EMA", "SWA", "Online CMD")
_PAPER = {
    "sgd": ("90.68 ± 0.29", "92.02 ± 0.16", "92.09 ± 0.10", "92.26 ± 0.12"),
    "momentum": ("90.91 ± 0.52", "92.22 ± 0.43", "92.28 ± 0.44", "92.43 ± 0.34"),
    "schedule": ("91.29 ± 0.23", "91.28 ± 0.23", "91.29 ± 0.24", "91.68 ± 0.21"),
    "adam": ("89.59 ± 0.43", "91.43 ± 0.39", "91.65 ± 0.43", "91.70 ± 0.51"),
}


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `resnet18` with its argument."""
    config = configs.load(pathlib.Path(__file__).with_name("resnet18.py"), argument)
    config.paper = ConfigDict(dict.fromkeys(_METHODS, ""))
    if config.quick:
        config.quick = config.quick.replace("resnet18", "resnet18_optimizers", 1)
    return config


def sweep() -> list[dict[str, Any]]:
    """The rows of the table, each with the paper's numbers."""
    rows = {
        "sgd": {"optimizer.learning_rate": 0.1, "optimizer.momentum": 0.0},
        "momentum": {"optimizer.learning_rate": 0.05},
        "schedule": {"optimizer.learning_rate": 0.05, "optimizer.schedule": "cosine"},
        "adam": {"optimizer.name": "adam", "optimizer.learning_rate": 1e-3},
    }
    return [
        options
        | {
            f"paper.{method}": number
            for method, number in zip(_METHODS, _PAPER[row], strict=True)
        }
        for row, options in rows.items()
    ]
