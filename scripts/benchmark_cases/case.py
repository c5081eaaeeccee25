"""What a benchmark case is: a thing to time, and the thing it is held against."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple


class Work(NamedTuple):
    """Two ways of doing the same amount of work, ready to be timed.

    Attributes:
      reference: does it the known way; returns when the result is there.
      case: does it with this project; returns when the result is there.
      counts: amount of work in one call, by unit (`{"GB": 0.94}`); gives the rates.
      note: what a reader of the row should know, such as the reference chosen.
    """

    reference: Callable[[], Any]
    case: Callable[[], Any]
    counts: Mapping[str, float] = {}
    note: str = ""


class Case(NamedTuple):
    """A ratio with a bar that must hold and an aim where optimising may stop.

    Attributes:
      name: what `--case` calls it.
      description: one line.
      direction: `"at most"` bounds time / reference time, `"at least"` bounds
        rate / reference rate (the inverse, as the work is the same).
      bar: the ratio that must hold.
      aim: the ratio to reach.
      setup: builds the inputs, outside the timing.
      requires: modules needed besides the project's runtime dependencies.
    """

    name: str
    description: str
    direction: Literal["at most", "at least"]
    bar: float
    aim: float
    setup: Callable[[], Work]
    requires: tuple[str, ...] = ()

    def allows(self, ratio: float, limit: float) -> bool:
        """Whether `ratio` is on the right side of `limit`."""
        return ratio <= limit if self.direction == "at most" else ratio >= limit
