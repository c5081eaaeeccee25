"""The three treatments of embedded weights, each like the config `digits_embedded`.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247); as released embedded weights are snapped, and the accuracies are not
available to us. "freeze" and "tied" are ours.
Command: python experiments/run.py --config digits_treatments
Hardware: 2 CPU cores, some minutes.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `digits_embedded` with its argument, five seeds."""
    path = pathlib.Path(__file__).with_name("digits_embedded.py")
    config = configs.load(path, argument)
    config.train.num_seeds = 5
    return config


def sweep() -> list[dict[str, Any]]:
    """Snap, as released, freeze and tied."""
    return [{"embedding.treatment": name} for name in ("snap", "freeze", "tied")]
