"""The hook that records a run: one fetch to the host, one append a seed."""

from collections.abc import Sequence
from typing import Any

from cmd_jax import host
from cmd_jax.trajectory.schedule import Schedule
from cmd_jax.trajectory.writer import TrajectoryWriter
from cmd_jax.types import Params


class Recorder:
    """Records the parameters of every seed at the steps of a schedule.

    A training loop asks `next_due`, ends a chunk there and calls the recorder.

    Args:
      writers: one for each seed, in the order of the states; none in a process that
        writes nothing, but helps to gather parameters that lie with several processes.
      schedule: the steps at which to record.

    Example:
      >>> import pathlib, tempfile
      >>> from types import SimpleNamespace
      >>> import jax.numpy as jnp
      >>> from cmd_jax.trajectory import Recorder, Trajectory, TrajectoryWriter
      >>> from cmd_jax.trajectory import every_steps
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "trajectory"
      >>> state = SimpleNamespace(params={"kernel": jnp.ones(3)})
      >>> writer = TrajectoryWriter.create(path, state.params)
      >>> recorder = Recorder([writer], every_steps(5, total_steps=8))
      >>> recorder.record_initial([state])
      >>> recorder.next_due(0)
      5
      >>> recorder(5, [state], metrics=[])
      >>> Trajectory.open(path).steps.tolist()
      [0, 5]
    """

    def __init__(self, writers: Sequence[TrajectoryWriter], schedule: Schedule):
        self._writers = tuple(writers)
        self._schedule = schedule

    def next_due(self, step: int) -> int | None:
        """The first step after `step` at which there is something to record."""
        return self._schedule.next_due(step)

    def record_initial(self, states: Sequence[Any]) -> None:
        """Records step 0, where a run starts; nothing where it is resumed.

        Args:
          states: one for each seed, with `params`.
        """
        if self._writers and all(writer.num_records for writer in self._writers):
            return
        for writer, params in self._gather(states):
            if writer.num_records == 0:
                writer.append(0, params)

    def __call__(self, step: int, states: Sequence[Any], metrics: Any) -> None:
        """Records `step` if it is due.

        Args:
          step: optimizer steps taken.
          states: one for each seed, with `params` on any device.
          metrics: not looked at.

        Raises:
          OSError: the disk is full or fails; the records before this one are kept.
        """
        if step in self._schedule:
            for writer, params in self._gather(states):
                writer.append(step, params)

    def _gather(self, states: Sequence[Any]) -> list[tuple[TrajectoryWriter, Params]]:
        """Every writer with its seed's parameters on the host, in one fetch."""
        params = host.fetch([state.params for state in states])
        return list(zip(self._writers, params, strict=bool(self._writers)))
