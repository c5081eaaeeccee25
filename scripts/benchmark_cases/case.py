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
      unit: "s", and both are timed; else they give what is compared, in this unit.
    """

    reference: Callable[[], Any]
    case: Callable[[], Any]
    counts: Mapping[str, float] = {}
    note: str = ""
    unit: str = "s"


class Case(NamedTuple):
    """A ratio with a bar that must hold and an aim where optimising may stop.

    Attributes:
      name: what `--case` calls it.
      description: one line.
      direction: `"at most"` bounds case / reference, `"at least"` bounds the inverse:
        rate / reference rate, where times are compared.
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
