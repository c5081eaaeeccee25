"""Hooks of the loop: metrics with evaluation, and checkpoints.

They run where a chunk ends. Recorders of trajectories are hooks too, by structure.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from cmd_jax import host, processes
from cmd_jax.train.evaluation import Evaluate
from cmd_jax.train.loop import HostMetrics
from cmd_jax.train.metrics import Row, Sink
from cmd_jax.train.state import States


class MetricsHook:
    """Writes a row a chunk: mean training metrics, and the evaluation where it is due.

    Args:
      sinks: per seed, what takes the rows.
      evaluations: split name -> what `make_evaluate` built.
      every_steps: evaluate at multiples of this, and at `num_steps`.
      steps_per_epoch: for the row's `"epoch"`.
      num_steps: optimizer steps of the whole run.
      beside: `beside(step, states)` gives more of every seed's row where an evaluation
        is due: what else is tested there.
    """

    def __init__(
        self,
        sinks: Sequence[Sequence[Sink]],
        evaluations: Mapping[str, Evaluate],
        *,
        every_steps: int,
        steps_per_epoch: int,
        num_steps: int,
        beside: Callable[[int, States], Sequence[Row]] | None = None,
    ):
        self._sinks = sinks
        self._evaluations = evaluations
        self._every_steps = every_steps
        self._steps_per_epoch = steps_per_epoch
        self._num_steps = num_steps
        self._beside = beside

    def next_due(self, step: int) -> int | None:
        """The next step at which an evaluation is due."""
        due = (step // self._every_steps + 1) * self._every_steps
        return min(due, self._num_steps)

    def __call__(self, step: int, states: States, metrics: HostMetrics) -> None:
        """Writes every seed's row."""
        due = step % self._every_steps == 0 or step == self._num_steps
        evaluated = self._evaluate_all(step, states) if due else [{}] * len(states)
        epoch = step / self._steps_per_epoch
        for sinks, training, evaluation in zip(
            self._sinks, metrics, evaluated, strict=True
        ):
            means = {f"train/{k}": float(v.mean()) for k, v in training.items()}
            _write(sinks, {"step": step, "epoch": epoch, **means, **evaluation})

    def _evaluate_all(self, step: int, states: States) -> list[Row]:
        rows = self.evaluate(states)
        if self._beside is None:
            return rows
        more = self._beside(step, states)
        return [row | added for row, added in zip(rows, more, strict=True)]

    def evaluate(self, states: States) -> list[Row]:
        """Every seed's metrics on every split, in one fetch."""
        results = [
            {
                f"{split}/{name}": value
                for split, evaluate in self._evaluations.items()
                for name, value in evaluate(state.params, state.state).items()
            }
            for state in states
        ]
        return [
            {name: float(value) for name, value in row.items()}
            for row in host.fetch(results)
        ]

    def write_initial(self, states: States) -> None:
        """Writes the row of step 0: the network before training."""
        for sinks, row in zip(self._sinks, self.evaluate(states), strict=True):
            _write(sinks, {"step": 0, "epoch": 0.0, **row})


def _write(sinks: Sequence[Sink], row: Row) -> None:
    for sink in sinks:
        sink(row)


class CheckpointHook:
    """Saves the states when some seconds have passed, and when the run ends or stops.

    Of several processes all save as soon as one wants to.

    Args:
      save: `save(step, states)`; the states are donated afterwards.
      every_seconds: the time between two checkpoints.
      num_steps: optimizer steps of the whole run.
      should_stop: whether the run has been asked to stop (SIGTERM).
    """

    def __init__(
        self,
        save: Callable[[int, States], None],
        *,
        every_seconds: float,
        num_steps: int,
        should_stop: Callable[[], bool],
    ):
        self._save = save
        self._every_seconds = every_seconds
        self._num_steps = num_steps
        self._should_stop = should_stop
        self._last = time.monotonic()

    def next_due(self, step: int) -> int | None:
        """None: time decides, and chunks are short."""
        del step

    def __call__(self, step: int, states: States, metrics: HostMetrics) -> None:
        """Saves where it is due."""
        del metrics
        elapsed = time.monotonic() - self._last
        due = elapsed >= self._every_seconds or step == self._num_steps
        if processes.agree(due or self._should_stop()):
            self._save(step, states)
            self._last = time.monotonic()
