"""What a run says while it works: a bar with ETA on a terminal, else plain lines."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Advance = Callable[[int, str], None]
_SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def task(name: str, total: int, *, start: int = 0) -> Iterator[Advance]:
    """Yields `advance(done, note)`, to be told how many of `total` are done.

    Args:
      name: what is being done.
      total: how many steps the whole task has.
      start: how many were done before, in an earlier run; the ETA leaves them out.
    """
    shown = _bar if sys.stdout.isatty() else _lines
    with shown(name, total, start) as advance:
        yield advance


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


@contextlib.contextmanager
def _bar(name: str, total: int, start: int) -> Iterator[Advance]:
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TimeElapsedColumn(),
        rich.TextColumn("ETA"),
        rich.TimeRemainingColumn(elapsed_when_finished=False),
        rich.TextColumn("{task.fields[note]}"),
    )
    with rich.Progress(*columns) as bars:
        identifier = bars.add_task(name, total=total, completed=start, note="")
        yield lambda done, note: bars.update(identifier, completed=done, note=note)


@contextlib.contextmanager
def _lines(name: str, total: int, start: int) -> Iterator[Advance]:
    began = said = time.monotonic()

    def advance(done: int, note: str) -> None:
        nonlocal said
        now = time.monotonic()
        if done < total and now - said < _SECONDS_BETWEEN_LINES:
            return
        said = now
        remaining = (now - began) * (total - done) / max(done - start, 1)
        share = 100 * done // max(total, 1)
        say(f"{name} {share:3d} %  ETA {duration(remaining)}  {note}")

    yield advance


def duration(seconds: float) -> str:
    """Seconds as people write them.

    Example:
      >>> from experiments.progress import duration
      >>> duration(3725)
      '1 h 2 min'
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
