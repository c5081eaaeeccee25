"""The fields of LAP's study: its block, a budget of steps, what its images share."""

from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from cmd_jax.config.blocks import defaults


def least_action(
    *, initial: float, rate: float, every: int, reduction: str
) -> ConfigDict:
    """The block of LAP's study; what a sweep goes over is its `variant`.

    Args:
      initial: λ_0 of the multiplier, for this reduction.
      rate: τ, likewise.
      every: s, steps between two changes of λ.
      reduction: of the features: "sum" or "mean", or the un-squared "norm".

    Example:
      >>> from cmd_jax import config
      >>> config.least_action(initial=1, rate=1, every=5, reduction="sum").variant
      'multiplier'
    """
    return ConfigDict(
        {
            "variant": "multiplier",  # or "vanilla", "fixed weight"
            "initial": float(initial),
            "rate": float(rate),
            "every": every,
            "maximum": 1e8,  # of λ: a task that is not solved would raise it for ever
            "weight": 0.01,  # μ of the variant "fixed weight"
            "reduction": reduction,
            "num_train": 0,  # examples that each seed draws to train on; 0: all
            "stratified": False,  # whether each class has its share of them
            "num_assigned": 200,  # test examples of the assignment gap; 0: none
        }
    )


def least_action_budget(
    num_train: int, *, num_steps: int, batch_size: int, num_tests: int
) -> dict[str, Any]:
    """Fields of a run that takes as many steps on any number of training examples.

    Args:
      num_train: examples that each seed draws.
      num_steps: optimizer steps, about: whole epochs are trained.
      batch_size: examples of a step.
      num_tests: evaluations over the training, at least.

    Raises:
      ValueError: there is not one batch of examples.

    Example:
      >>> from cmd_jax import config
      >>> config.least_action_budget(300, num_steps=400, batch_size=25, num_tests=10)
      {'least_action.num_train': 300, 'train.total_epochs': 33, 'eval.every_epochs': 3}
    """
    if num_train < batch_size:
        raise ValueError(
            f"a training set of {num_train} examples; allowed is one batch of "
            f"{batch_size} at least"
        )
    epochs = max(round(num_steps / (num_train // batch_size)), 1)
    return {
        "least_action.num_train": num_train,
        "train.total_epochs": epochs,
        "eval.every_epochs": max(epochs // num_tests, 1),
    }


def least_action_images(
    name: str, *, total_epochs: int, decay_epochs: Sequence[int]
) -> ConfigDict:
    """The fields that LAP's runs on CIFAR-10 and CIFAR-100 share.

    Args:
      name: of the data set.
      total_epochs: of the run.
      decay_epochs: after which the learning rate falls.

    Example:
      >>> from cmd_jax import config
      >>> fields = config.least_action_images(
      ...     "cifar10", total_epochs=300, decay_epochs=(150, 225, 250)
      ... )
      >>> fields.optimizer.schedule
      'steps'
    """
    config = defaults()
    config.study = "least_action"
    config.data.name = name
    config.data.num_validation = 1000
    config.data.crop_padding = 4
    config.data.flip = True
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.schedule = "steps"
    config.optimizer.decay_epochs = tuple(decay_epochs)
    config.train.total_epochs = total_epochs
    config.train.num_seeds = 5
    config.record.every_epochs = 0
    config.eval.every_epochs = 5
    return config


def shrink_least_action(config: ConfigDict, *, channels: int) -> None:
    """Turns a run of LAP on images into seconds: synthetic ones, two epochs, one seed.

    The model is the caller's to shrink.

    Args:
      config: with its block `least_action`; it is changed.
      channels: of the images that stand in for those of the data set.

    Example:
      >>> from cmd_jax import config
      >>> fields = config.least_action_images(
      ...     "cifar10", total_epochs=300, decay_epochs=(150,)
      ... )
      >>> fields.least_action = config.least_action(
      ...     initial=1, rate=1, every=1, reduction="mean"
      ... )
      >>> config.shrink_least_action(fields, channels=3)
      >>> fields.data.name, fields.train.total_epochs
      ('synthetic', 2)
    """
    config.data.name = "synthetic"
    config.data.shape = (8, 8, channels)
    config.data.num_train = 80
    config.data.num_validation = 16
    config.data.crop_padding = min(config.data.crop_padding, 1)
    if "decay_epochs" in config.optimizer:
        config.optimizer.decay_epochs = (1,)
    config.train.total_epochs = 2
    config.train.batch_size = 16
    config.train.num_seeds = 1
    config.eval.every_epochs = 1
    config.least_action.num_train = min(config.least_action.num_train, 40)
    config.least_action.num_assigned = 20
