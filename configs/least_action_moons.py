"""Moons: LAP's toy, points of the plane that a flow carries to a frozen classifier.

Paper: Karkar et al., A Principle of Least Action for the Training of Neural Networks,
ECML-PKDD 2020 (arXiv 2009.08372), which shows it in figures; no number to stand beside.
Optimizer and multiplier as in the authors' toy; a step has ten points, shuffled (theirs
are in order); 800 points to train on as there, and 100 more that choose the epoch.
Command: python experiments/run.py --config least_action_moons
Hardware: 2 CPU cores, half a minute for each of the four runs of 20 seeds.
Expected: accuracy 1 and a geodesic index near 1 with the multiplier, where vanilla
takes a long and crooked way.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds; `:hidden=16` is the wider toy."""
    options = configs.parse_argument(argument, smoke=False, hidden=2)
    config = configs.defaults()
    config.study = "least_action"
    config.data.name = "moons"
    config.data.num_examples = 1125  # 900 of them, less those of validation, train
    config.data.num_validation = 100
    config.model = ConfigDict({"name": "point_resnet", "num_blocks": 9})
    config.model.hidden = options["hidden"]
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.01
    config.optimizer.momentum = 0.9
    config.optimizer.beta_2 = 0.99
    config.train.total_epochs = 100
    config.train.batch_size = 10
    config.train.num_seeds = 20
    config.record.every_epochs = 0
    config.eval.every_epochs = 5
    config.least_action = configs.least_action(
        initial=0.1, rate=0.1, every=5, reduction="sum"
    )
    if options["smoke"]:
        config.model.num_blocks = 2
        config.train.total_epochs = 2
        config.train.batch_size = 100
        config.train.num_seeds = 2
        config.eval.every_epochs = 1
        config.least_action.num_assigned = 20
    return config


def sweep() -> list[dict[str, Any]]:
    """Vanilla, multiplier and fixed weight at hidden 2; the un-squared norm; 16."""
    narrow = [{"least_action.variant": v} for v in _VARIANTS]
    norm = {"least_action.reduction": "norm"}
    wide = [{"model.hidden": 16, "least_action.variant": v} for v in _VARIANTS[:2]]
    return [*narrow, norm, *wide]


_VARIANTS = ("vanilla", "multiplier", "fixed weight")
