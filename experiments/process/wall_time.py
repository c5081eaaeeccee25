"""The wall time of a group's training, over all the pieces that a run came in."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from cmd_jax import processes, runs, train

_SECONDS_BETWEEN_WRITES = 10.0  # what a kill may leave uncounted


class WallTime:
    """Adds up the seconds of training, from restoring the state to the last step.

    Compiling, testing, saving and what had to be done twice after a kill count; reading
    the data and the study that follows do not. A run that was begun before its time was
    kept stays without one.
    """

    def __init__(
        self, directory: runs.RunDirectory, group: tuple[int, ...], *, resumed: bool
    ):
        self._directory, self._group = directory, group
        self._began = time.monotonic()
        earlier = directory.wall_times().get(group)
        self._known = processes.is_primary() and not (resumed and earlier is None)
        self._earlier = earlier or 0.0
        self.write()

    def next_due(self, step: int) -> int | None:
        """Never: any chunk's end will do."""
        del step

    def __call__(
        self,
        step: int,
        states: train.States,
        metrics: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        """Writes now and then, so that a kill loses little."""
        del step, states, metrics
        if time.monotonic() - self._written >= _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Writes the seconds up to now."""
        self._written = time.monotonic()
        if self._known:
            seconds = self._earlier + self._written - self._began
            self._directory.write_wall_time(self._group, seconds)
