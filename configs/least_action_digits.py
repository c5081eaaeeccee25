"""Digits with few training images: does LAP gain most where there is little data?

Paper: Karkar et al., A Principle of Least Action for the Training of Neural Networks,
ECML-PKDD 2020 (arXiv 2009.08372), whose low-data tables are of MNIST; digits are ours.
The network of one representation at width 16, in a flow of 256 dimensions. λ_0 = 5,
τ = 1, s = 5 are for the mean over features. 400 steps of 25 images at any size; each
seed draws its own training images; 200 more choose the epoch.
Command: python experiments/run.py --config least_action_digits  (:size=300, :size=1000)
Hardware: 2 CPU cores, some minutes for the three runs of 10 seeds.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_VARIANTS = ("vanilla", "multiplier", "fixed weight")


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds; `:size=300` has that many images.

    `:encoder=autoencoder` is frozen, that of an auto-encoder.
    """
    options = configs.parse_argument(argument, smoke=False, size=100, encoder="learned")
    config = configs.defaults()
    config.study = "least_action"
    config.data.name = "digits"
    config.data.num_validation = 200
    config.model = ConfigDict({"name": "one_rep", "num_blocks": 9, "width": 16})
    if options["encoder"] != "learned":
        config.model.encoder = options["encoder"]
    config.optimizer.learning_rate = 0.01
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.train.batch_size = 25
    config.train.num_seeds = 10
    config.record.every_epochs = 0
    config.least_action = configs.least_action(
        initial=5, rate=1, every=5, reduction="mean"
    )
    budget = configs.least_action_budget(
        options["size"], num_steps=400, batch_size=25, num_tests=10
    )
    config.update_from_flattened_dict(budget)
    if options["smoke"]:
        config.model.num_blocks = 1
        config.model.width = 2
        config.train.total_epochs = 2
        config.eval.every_epochs = 1
        config.train.num_seeds = 1
        config.least_action.num_assigned = 20
    return config


def sweep() -> list[dict[str, Any]]:
    """The three variants, for the size of the argument."""
    return [{"least_action.variant": variant} for variant in _VARIANTS]
