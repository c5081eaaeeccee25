"""LAP on CIFAR-10: the network of one representation with 100 filters at 16 x 16.

Paper: Karkar et al., A Principle of Least Action for the Training of Neural Networks,
ECML-PKDD 2020 (arXiv 2009.08372); its CIFAR-10 table is not available to us. 9 blocks,
a learned encoder, SGD 0.01 times 0.2 after 120, 160 and 200 epochs; λ_0 = 5, τ = 1,
s = 5 are for the mean over features. Ours: 240 epochs, and 1 000 training images that
choose the epoch.
Command: python experiments/run.py --config least_action_cifar10
Hardware: 4 311 210 parameters; meant for a GPU, not run in full.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and uses synthetic images; `:width=8` is thin."""
    options = configs.parse_argument(argument, smoke=False, width=100)
    config = configs.least_action_images(
        "cifar10", total_epochs=240, decay_epochs=(120, 160, 200)
    )
    config.model = ConfigDict(
        {"name": "one_rep", "num_blocks": 9, "width": options["width"]}
    )
    config.optimizer.learning_rate = 0.01
    config.optimizer.decay_factor = 0.2
    config.least_action = configs.least_action(
        initial=5, rate=1, every=5, reduction="mean"
    )
    config.quick = "least_action_cifar10:width=8 --config.train.total_epochs=3"
    if options["smoke"]:
        configs.shrink_least_action(config, channels=3)
        config.model.num_blocks = 1
        config.model.width = 2
    return config


def sweep() -> list[dict[str, Any]]:
    """Vanilla, multiplier and fixed weight."""
    variants = ("vanilla", "multiplier", "fixed weight")
    return [{"least_action.variant": variant} for variant in variants]
