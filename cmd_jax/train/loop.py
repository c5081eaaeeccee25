"""The epoch loop: chunks of compiled steps, and hooks where a chunk ends.

Everything that looks at a run (recorder, metrics, checkpoints, progress) is a hook. The
loop knows nothing of files.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from cmd_jax import host, processes
from cmd_jax.train.chunk import Chunk
from cmd_jax.train.state import States

HostMetrics = Sequence[dict[str, np.ndarray]]


class NonFiniteLossError(FloatingPointError):
    """The loss became NaN or infinite.

    Attributes:
      step: the first optimizer step (counted from 1) whose loss is not finite.
      seed_index: which replica of the run it happened to.
    """

    def __init__(self, step: int, seed_index: int, loss: float):
        super().__init__(f"the loss of step {step} is {loss}")
        self.step = step
        self.seed_index = seed_index


@runtime_checkable
class Hook(Protocol):
    """Something that looks at a run where a chunk ends."""

    def next_due(self, step: int) -> int | None:
        """The first step after `step` at which a chunk has to end for this hook.

        It is asked one chunk ahead, so the answer may depend on `step` only.
        """
        ...

    def __call__(self, step: int, states: States, metrics: HostMetrics) -> None:
        """Called after every chunk; `metrics` are that chunk's steps, one dict a seed.

        A hook that is not due at `step` returns at once. It must not keep `states`,
        which the next chunk is donated.
        """
        ...


def train(
    states: States,
    chunk: Chunk,
    hooks: Sequence[Hook],
    *,
    start_step: int,
    num_steps: int,
    steps_per_epoch: int,
    chunk_steps: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[States, int]:
    """Trains from `start_step` to `num_steps`.

    Args:
      states: one TrainState per seed, all at `start_step`; they are donated.
      chunk: what `make_chunk` built.
      hooks: called in this order after every chunk.
      start_step: optimizer steps already taken.
      num_steps: optimizer steps of the whole run.
      steps_per_epoch: a chunk never crosses a multiple of this.
      chunk_steps: the longest chunk.
      should_stop: asked before every chunk's hooks, so that a hook which asks it too
        has saved what the run ends with; True, in any process, ends the run early.

    Returns:
      The states and the step they are at.

    Raises:
      NonFiniteLossError: a loss became NaN or infinite; no hook saw that chunk.
    """

    def end_after(step: int) -> int:
        return min(num_steps, _chunk_end(step, hooks, steps_per_epoch, chunk_steps))

    step, end = start_step, end_after(start_step)
    stopping = processes.agree(should_stop())
    while step < num_steps and not stopping:
        next_end = end_after(end)
        states, device_metrics = chunk(
            states, end - step, start=step, following=next_end - end
        )
        metrics = [
            {name: values[: end - step] for name, values in seed.items()}
            for seed in host.fetch(device_metrics)
        ]
        _check_finite(metrics, step)
        step, end = end, next_end
        stopping = processes.agree(should_stop())
        for hook in hooks:
            hook(step, states, metrics)
    return states, step


def _chunk_end(
    step: int, hooks: Sequence[Hook], steps_per_epoch: int, chunk_steps: int
) -> int:
    due = [hook.next_due(step) for hook in hooks]
    epoch_end = (step // steps_per_epoch + 1) * steps_per_epoch
    return min([step + chunk_steps, epoch_end, *(d for d in due if d is not None)])


def _check_finite(metrics: HostMetrics, step: int) -> None:
    for seed_index, values in enumerate(metrics):
        bad = np.flatnonzero(~np.isfinite(values["loss"]))
        if bad.size:
            first = int(bad[0])
            loss = float(values["loss"][first])
            raise NonFiniteLossError(step + first + 1, seed_index, loss)
