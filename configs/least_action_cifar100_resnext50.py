"""LAP on CIFAR-100 with ResNeXt50-32x4d: a row with a published number.

Paper: Karkar et al. (arXiv 2306.04252): vanilla 74.38, LAP 77.20 % test accuracy, the
best epoch on half of the test set, probably with one more ReLU in each block
(`:inner_relu`). SGD 0.1, a tenth after 150, 225 and 250 of 300 epochs, batches of 128;
λ_0 = τ = s = 1 for the mean over features. Ours: momentum 0.9, and 1 000 training
images that choose the epoch.
Command: python experiments/run.py --config least_action_cifar100_resnext50
Hardware: 23 194 756 parameters; meant for a GPU, not run in full.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_TESTED = "best on the validation split"
_PAPER = {"vanilla": "74.38", "multiplier": "77.20"}


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model, on synthetic images; `:inner_relu`: see above."""
    options = configs.parse_argument(argument, smoke=False, inner_relu=False)
    config = configs.least_action_images(
        "cifar100", total_epochs=300, decay_epochs=(150, 225, 250)
    )
    config.model = ConfigDict({"name": "resnext50", "inner_relu": False})
    config.model.inner_relu = options["inner_relu"]
    config.optimizer.learning_rate = 0.1
    config.least_action = configs.least_action(
        initial=1, rate=1, every=1, reduction="mean"
    )
    config.paper = ConfigDict({_TESTED: ""})
    if options["smoke"]:
        configs.shrink_least_action(config, channels=3)
        config.model.width = 2
        config.model.groups = 2
    return config


def sweep() -> list[dict[str, Any]]:
    """Vanilla and multiplier, each with its published number."""
    return [
        {"least_action.variant": variant, f"paper.{_TESTED}": number}
        for variant, number in _PAPER.items()
    ]
