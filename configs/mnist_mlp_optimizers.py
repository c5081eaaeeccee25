"""The four optimizers of Table 2 on MNIST: `mnist_mlp` once with each.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 2, whose numbers are ResNet18's: here its rows at the size of
`mnist_mlp`. The learning rates are ours.
Command: python experiments/run.py --config mnist_mlp_optimizers
Hardware: 2 CPU cores, about half an hour (scripts/prepare_data mnist first).
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `mnist_mlp` with its argument."""
    return configs.load(pathlib.Path(__file__).with_name("mnist_mlp.py"), argument)


def sweep() -> list[dict[str, Any]]:
    """The sweep of `digits_optimizers`: the same four, with the same learning rates."""
    return configs.overrides(pathlib.Path(__file__).with_name("digits_optimizers.py"))
