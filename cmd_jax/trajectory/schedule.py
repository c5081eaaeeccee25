"""When to record: every epoch, every n steps, or at log-spaced steps."""

import bisect
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The steps at which a run records: increasing, from 0 to the last of the run.

    Example:
      >>> from cmd_jax.trajectory import Schedule
      >>> schedule = Schedule((0, 10, 15))
      >>> schedule.next_due(0), schedule.next_due(12), schedule.next_due(15)
      (10, 15, None)
    """

    steps: tuple[int, ...]

    def next_due(self, step: int) -> int | None:
        """The first step of the schedule after `step`; None when there is none."""
        position = bisect.bisect_right(self.steps, step)
        return self.steps[position] if position < len(self.steps) else None

    def number(self, step: int) -> int:
        """The number of the last record up to `step`, counted from 0."""
        return bisect.bisect_right(self.steps, step) - 1

    def __contains__(self, step: int) -> bool:
        return self.next_due(step - 1) == step

    def __len__(self) -> int:
        return len(self.steps)


def every_steps(num_steps: int, *, total_steps: int) -> Schedule:
    """Records each `num_steps` optimizer steps, and at the last.

    Args:
      num_steps: optimizer steps between two records, at least 1.
      total_steps: optimizer steps of the run.

    Raises:
      ValueError: `num_steps` < 1 or `total_steps` < 0.

    Example:
      >>> from cmd_jax.trajectory import every_steps
      >>> every_steps(4, total_steps=10).steps
      (0, 4, 8, 10)
    """
    _require("num_steps", num_steps, 1)
    _require("total_steps", total_steps, 0)
    return Schedule((*range(0, total_steps, num_steps), total_steps))


def every_epochs(
    num_epochs: int, *, steps_per_epoch: int, total_steps: int
) -> Schedule:
    """Records after each `num_epochs` epochs, and at the last step.

    Args:
      num_epochs: epochs between two records, at least 1.
      steps_per_epoch: optimizer steps of an epoch, at least 1.
      total_steps: optimizer steps of the run.

    Raises:
      ValueError: a number is too small.

    Example:
      >>> from cmd_jax.trajectory import every_epochs
      >>> every_epochs(1, steps_per_epoch=5, total_steps=12).steps
      (0, 5, 10, 12)
    """
    _require("num_epochs", num_epochs, 1)
    _require("steps_per_epoch", steps_per_epoch, 1)
    return every_steps(num_epochs * steps_per_epoch, total_steps=total_steps)


def log_spaced(num_records: int, *, total_steps: int) -> Schedule:
    """Records at step 0 and at `num_records` log-spaced steps from 1 to the last.

    Early training moves fast; equal distances in log(step) follow it. Steps are
    rounded and recorded once, so there may be fewer than asked for.

    Args:
      num_records: records after the first, at least 1.
      total_steps: optimizer steps of the run.

    Raises:
      ValueError: `num_records` < 1 or `total_steps` < 0.

    Example:
      >>> from cmd_jax.trajectory import log_spaced
      >>> log_spaced(4, total_steps=1000).steps
      (0, 1, 10, 100, 1000)
    """
    _require("num_records", num_records, 1)
    _require("total_steps", total_steps, 0)
    if total_steps == 0:
        return Schedule((0,))
    steps = np.rint(np.geomspace(1, total_steps, num_records)).astype(int)
    return Schedule(tuple(sorted({0, total_steps, *steps.tolist()})))


def _require(name: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise ValueError(f"{name}={value!r}: it must be at least {minimum}")
