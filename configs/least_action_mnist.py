"""MNIST with few training images: does LAP gain most where there is little data?

Paper: Karkar et al., A Principle of Least Action for the Training of Neural Networks,
ECML-PKDD 2020 (arXiv 2009.08372); its low-data tables are not available to us. The
network of one representation, 9 blocks of 32 filters with an encoder that is learned,
or frozen from an auto-encoder, SGD 0.01; λ_0 = 5, τ = 1, s = 5 are for the mean over
features. Ours: sizes of 100, 500, 1 000, 5 000 and all 50 000 images (`:size=`), 1 000
steps of 100 images at any of them, every seed with training images of its own, and
10 000 more that choose the epoch (theirs: batches of 128, 30 epochs at any size).
Command: python experiments/run.py --config least_action_mnist
Hardware: 808 478 parameters; on 2 CPU cores hours for each of the three runs of 5
seeds, not run in full. `:width=8,steps=150`, as in results/, takes three minutes a run.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_VARIANTS = ("vanilla", "multiplier", "fixed weight")


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run; `:width=8` is thin, `:size=500` has few images.

    `steps` is the budget of any size; `stratified` gives each class its share;
    `:encoder=autoencoder` is frozen, that of an auto-encoder.
    """
    options = configs.parse_argument(
        argument,
        smoke=False,
        width=32,
        size=100,
        steps=1000,
        stratified=False,
        encoder="learned",
    )
    config = configs.defaults()
    config.study = "least_action"
    config.data.name = "mnist"
    config.data.num_validation = 10_000
    config.model = ConfigDict(
        {"name": "one_rep", "num_blocks": 9, "width": options["width"]}
    )
    if options["encoder"] != "learned":
        config.model.encoder = options["encoder"]
    config.optimizer.learning_rate = 0.01
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.train.batch_size = 100
    config.train.num_seeds = 5
    config.record.every_epochs = 0
    config.least_action = configs.least_action(
        initial=5, rate=1, every=5, reduction="mean"
    )
    config.least_action.stratified = options["stratified"]
    budget = configs.least_action_budget(
        options["size"], num_steps=options["steps"], batch_size=100, num_tests=5
    )
    config.update_from_flattened_dict(budget)
    config.quick = "least_action_mnist:width=8,steps=300"
    if options["smoke"]:
        configs.shrink_least_action(config, channels=1)
        config.model.num_blocks = 1
        config.model.width = 2
    return config


def sweep() -> list[dict[str, Any]]:
    """The three variants, for the size of the argument."""
    return [{"least_action.variant": variant} for variant in _VARIANTS]
