"""A polite end: the first SIGTERM or Ctrl-C lets the chunk finish and be saved."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

RESUME = "run the same command again to go on"


class Interrupted(Exception):
    """The run was asked to stop, and has saved what it had."""


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Yields `should_stop()`; a second signal ends the process at once."""
    asked = False
    previous = {}

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        nonlocal asked
        asked = True
        signal.signal(number, previous[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
