"""Moons: LAP's toy `least_action_circles`, on two half moons.

Paper: Karkar et al., A Principle of Least Action for the Training of Neural Networks,
ECML-PKDD 2020 (arXiv 2009.08372), which shows it in figures; no number to stand beside.
Command: python experiments/run.py --config least_action_moons
Hardware: 2 CPU cores, half a minute for each of the six runs of 20 seeds.
Expected: as on circles.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_CIRCLES = pathlib.Path(__file__).with_name("least_action_circles.py")


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `least_action_circles` with its argument, on moons."""
    config = configs.load(_CIRCLES, argument)
    config.data.name = "moons"
    return config


def sweep() -> list[dict[str, Any]]:
    """The sweep of `least_action_circles`."""
    return configs.overrides(_CIRCLES)
