"""The optimizers of the papers' tables, from plain options.

SGD with momentum and Adam, a learning rate that is constant, falls at some epochs or as
a cosine, a linear warm-up, weight decay in PyTorch's sense (added to the gradient), and
clipping of the gradient.
"""

from collections.abc import Sequence

import optax

_OPTIMIZERS = ("sgd", "adam")
_SCHEDULES = ("constant", "cosine", "steps")


def create_optimizer(
    name: str,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    beta_2: float = 0.999,
    clip_norm: float = 0.0,
    schedule: str = "constant",
    warmup_steps: int = 0,
    decay_steps: Sequence[int] = (),
    decay_factor: float = 0.1,
    num_steps: int,
) -> optax.GradientTransformation:
    """Builds an optimizer.

    Args:
      name: "sgd" or "adam".
      learning_rate: the peak learning rate.
      momentum: decay of the first moment: SGD's momentum, Adam's beta_1.
      nesterov: Nesterov's form of the momentum.
      weight_decay: this multiple of the weights is added to the gradient.
      beta_2: decay of Adam's second moment.
      clip_norm: the gradient's largest norm, before weight decay is added; 0 for none.
      schedule: "constant", "cosine" (to zero at the last step), or "steps".
      warmup_steps: steps over which the learning rate rises linearly from zero.
      decay_steps: of the schedule "steps", after how many steps the learning rate is
        multiplied by `decay_factor`.
      decay_factor: see `decay_steps`.
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
    _check_more(beta_2, clip_norm, schedule, warmup_steps, decay_steps)
    if schedule == "steps":
        drops = dict.fromkeys(decay_steps, decay_factor)
        rate = optax.piecewise_constant_schedule(learning_rate, drops)
    else:
        rate = _schedule(learning_rate, schedule, warmup_steps, num_steps)
    if name == "adam":
        update = optax.adam(rate, b1=momentum, b2=beta_2, nesterov=nesterov)
    else:
        update = optax.sgd(rate, momentum=momentum or None, nesterov=nesterov)
    before = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    before += [optax.add_decayed_weights(weight_decay)] if weight_decay else []
    return optax.chain(*before, update) if before else update


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


def _check_more(
    beta_2: float,
    clip_norm: float,
    schedule: str,
    warmup_steps: int,
    decay_steps: Sequence[int],
) -> None:
    if not 0 <= beta_2 < 1:
        raise ValueError(f"beta_2 is {beta_2}; it must lie in [0, 1)")
    if not 0 <= clip_norm < float("inf"):
        raise ValueError(f"clip_norm is {clip_norm}; it must not be negative")
    if (schedule == "steps") != bool(decay_steps) or min(decay_steps, default=1) < 1:
        raise ValueError(
            f"schedule is {schedule!r} with decay_steps {tuple(decay_steps)}; the "
            "schedule 'steps', and no other, needs some, of at least 1"
        )
    if schedule == "steps" and warmup_steps:
        raise ValueError("the schedule 'steps' has no warm-up")
