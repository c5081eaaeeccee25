"""Depth without BatchNorm on CIFAR-10: where a ResNet fails, and LAP does not.

Paper: Karkar et al. (arXiv 2306.04252), figure 4, read off it to half a point: test
accuracies at 9, 20, 30, 40 and 50 blocks of ResNet 90.5, 86.8, 74, 66, 63, of
LAP-ResNet 91.4, 91.4, 91.3, 91.2, 91.1 %, and of a ResNet of step 0.1, the natural
rival, about 91.4 at any depth. Network and optimizer are not given there: here those of
`least_action_cifar10` without BatchNorm, with λ_0 = τ = s = 1 for the mean over
features.
Command: python experiments/run.py --config least_action_cifar10_depth  (:blocks=50)
Hardware: 4 309 410 parameters at 9 blocks; meant for a GPU, not run in full.
"""

import pathlib
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:blocks=50` is deep, `:width=8` thin; `:smoke` is `least_action_cifar10`'s.

    `:stacked` compiles a deep network quickly, and is for a GPU.
    """
    options = configs.parse_argument(
        argument, smoke=False, width=100, blocks=9, stacked=False
    )
    path = pathlib.Path(__file__).with_name("least_action_cifar10.py")
    config = configs.load(
        path, "smoke" if options["smoke"] else f"width={options['width']}"
    )
    config.model.batch_norm = False
    config.model.step = 1.0
    config.model.stacked = options["stacked"]
    if not options["smoke"]:
        config.model.num_blocks = options["blocks"]
    num_assigned = config.least_action.num_assigned
    config.least_action = configs.least_action(
        initial=1, rate=1, every=1, reduction="mean"
    )
    config.least_action.num_assigned = num_assigned
    config.quick = "least_action_cifar10_depth:width=8 --config.train.total_epochs=3"
    return config


def sweep() -> list[dict[str, Any]]:
    """Vanilla, multiplier, and vanilla with the step 0.1."""
    return [
        {"least_action.variant": "vanilla"},
        {"least_action.variant": "multiplier"},
        {"least_action.variant": "vanilla", "model.step": 0.1},
    ]
