"""LAP on CIFAR-10 with ResNet110: a row with a published number.

Paper: Karkar et al. (arXiv 2306.04252): vanilla 92.52, LAP 93.52 % test accuracy, the
best epoch on half of the test set. SGD 0.1, a tenth after 150, 225 and 250 of 300
epochs, batches of 256, gradients clipped at norm 5; λ_0 = τ = s = 1 for the mean over
features. 1 000 training images choose the epoch here.
Command: python experiments/run.py --config least_action_cifar10_resnet110
Hardware: 1 753 530 parameters; meant for a GPU, not run in full.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs

_TESTED = "best on the validation split"
_PAPER = {"vanilla": "92.52", "multiplier": "93.52"}


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and uses synthetic images."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.least_action_images(
        "cifar10", total_epochs=300, decay_epochs=(150, 225, 250)
    )
    config.model = ConfigDict({"name": "resnet110", "blocks_per_stage": 18})
    config.optimizer.learning_rate = 0.1
    config.optimizer.clip_norm = 5.0
    config.train.batch_size = 256
    config.least_action = configs.least_action(
        initial=1, rate=1, every=1, reduction="mean"
    )
    config.paper = ConfigDict({_TESTED: ""})
    config.quick = (
        "least_action_cifar10_resnet110 --config.model.blocks_per_stage=2 "
        "--config.train.total_epochs=3"
    )
    if options["smoke"]:
        configs.shrink_least_action(config, channels=3)
        config.model.blocks_per_stage = 1
        config.model.width = 2
    return config


def sweep() -> list[dict[str, Any]]:
    """Vanilla and multiplier, each with its published number."""
    return [
        {"least_action.variant": variant, f"paper.{_TESTED}": number}
        for variant, number in _PAPER.items()
    ]
