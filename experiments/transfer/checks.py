"""The block `config.transfer`, and what a config must have for a transfer."""

from cmd_jax import transfer
from experiments.configured import recording
from experiments.configured.checks import about
from experiments.configured.setup import Setup

FIELDS = {
    "num_steps": 10,  # T
    "path": "linear",  # or "recorded"
    "shares": "uniform",  # of the linear path; or "cosine"
    "batch_size": 128,  # of the gradients that are matched
    "num_micro": 1,  # micro-batches of a gradient
    "resample": False,  # a batch for every pair of gradients, not one a step
    "follow_learning_rate": 0.0,  # of training after the transfer; 0: none
}


def check(setup: Setup) -> None:
    """Refuses what no transfer can be made of.

    Raises:
      ValueError: names the field and what is allowed.
    """
    _check_networks(setup)
    _check_gradients(setup)
    _check_path(setup)


def _check_networks(setup: Setup) -> None:
    config = setup.config
    if config.seed % 2 or config.train.num_seeds % 2:
        raise ValueError(
            f"config.seed is {config.seed} and config.train.num_seeds is "
            f"{config.train.num_seeds}; both must be even: seed 2k is a target, seed "
            "2k + 1 its source"
        )
    if not recording.whole_network(config.record):
        raise ValueError(
            "config.record leaves out weights: a transfer needs whole networks"
        )
    if not len(setup.dataset.validation.labels):
        raise ValueError(
            "config.data.num_validation is 0: the step to stop at is chosen on a "
            "validation split"
        )
    rate = config.transfer.follow_learning_rate
    if not 0 <= rate < float("inf"):
        raise ValueError(
            f"config.transfer.follow_learning_rate is {rate}; it must be positive, or "
            "0 to leave out training after the transfer"
        )


def _check_gradients(setup: Setup) -> None:
    options, available = setup.config.transfer, len(setup.dataset.train.labels)
    for field in ("num_steps", "batch_size", "num_micro"):
        if options[field] < 1:
            raise ValueError(
                f"config.transfer.{field} is {options[field]}; it must be at least 1"
            )
    if options.batch_size * options.num_micro > available:
        raise ValueError(
            f"config.transfer asks for batches of {options.num_micro} x "
            f"{options.batch_size} images, and there are {available} to train on"
        )


def _check_path(setup: Setup) -> None:
    options = setup.config.transfer
    with about("config.transfer.shares and config.transfer.num_steps"):
        transfer.step_shares(options.shares, options.num_steps)
    if options.path not in transfer.PATHS:
        raise ValueError(
            f"config.transfer.path is {options.path!r}; allowed are "
            f"{', '.join(transfer.PATHS)}"
        )
    if options.path == "recorded":
        record_stride(len(setup.schedule), options.num_steps)


def record_stride(num_records: int, num_steps: int) -> int:
    """Every which record a recorded path takes."""
    stride, rest = divmod(num_records - 1, num_steps)
    if rest or not stride:
        raise ValueError(
            f"config.transfer.num_steps is {num_steps} on a recorded path, and config."
            f"record gives {num_records - 1} records after the first: the number must "
            "divide that of the records"
        )
    return stride
