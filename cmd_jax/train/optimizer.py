"""The optimizers of the papers' tables, from plain options.

SGD with momentum and Adam, constant or cosine learning rate, a linear warm-up, and
weight decay in PyTorch's sense (added to the gradient).
"""

import optax

_OPTIMIZERS = ("sgd", "adam")
_SCHEDULES = ("constant", "cosine")


def create_optimizer(
    name: str,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    schedule: str = "constant",
    warmup_steps: int = 0,
    num_steps: int,
) -> optax.GradientTransformation:
    """Builds an optimizer.

    Args:
      name: "sgd" or "adam".
      learning_rate: the peak learning rate.
      momentum: decay of the first moment: SGD's momentum, Adam's beta_1.
      nesterov: Nesterov's form of the momentum.
      weight_decay: this multiple of the weights is added to the gradient.
      schedule: "constant", or "cosine" (to zero at the last step).
      warmup_steps: steps over which the learning rate rises linearly from zero.
      num_steps: optimizer steps of the whole run.

    Raises:
      ValueError: a name or number that is not allowed.

    Example:
      >>> from cmd_jax.train import create_optimizer
      >>> sgd = create_optimizer("sgd", learning_rate=0.1, num_steps=10)
    """
    _check(name, learning_rate, momentum, weight_decay, schedule)
    if nesterov and not momentum:
        raise ValueError("nesterov is True and momentum is 0; give it a momentum")
    rate = _schedule(learning_rate, schedule, warmup_steps, num_steps)
    if name == "adam":
        update = optax.adam(rate, b1=momentum, nesterov=nesterov)
    else:
        update = optax.sgd(rate, momentum=momentum or None, nesterov=nesterov)
    if weight_decay:
        return optax.chain(optax.add_decayed_weights(weight_decay), update)
    return update


def _schedule(
    learning_rate: float, schedule: str, warmup_steps: int, num_steps: int
) -> optax.ScalarOrSchedule:
    if not 0 <= warmup_steps <= num_steps:
        raise ValueError(
            f"a warm-up of {warmup_steps} steps does not fit a run of {num_steps} steps"
        )
    if schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(
            0.0 if warmup_steps else learning_rate,
            learning_rate,
            warmup_steps,
            max(num_steps, 1),
        )
    if warmup_steps:
        return optax.linear_schedule(0.0, learning_rate, warmup_steps)
    return learning_rate


def _check(
    name: str,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    schedule: str,
) -> None:
    if name not in _OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; allowed are {_OPTIMIZERS}")
    if schedule not in _SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; allowed are {_SCHEDULES}")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate is {learning_rate}; it must be positive")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum}; it must lie in [0, 1)")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay is {weight_decay}; it must not be negative")
