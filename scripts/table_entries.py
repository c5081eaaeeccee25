"""What a table of `paper_tables.py` is made of: its definition and its lines."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Entry(NamedTuple):
    """A line of a table.

    Attributes:
      label: the network or the optimizer.
      config: whose runs fill it.
      variant: of that config, as in its CSV, but for the run that it starts from if all
        runs of that config do; or the place in the config's `sweep()`.
        "*" at its end stands for any other end.
      paper: the paper's numbers by method.
    """

    label: str
    config: str
    variant: str | int = ""
    paper: Mapping[str, str] = {}


class Definition(NamedTuple):
    """A table: its caption, what its lines are, and the lines."""

    caption: str
    kind: str
    entries: Sequence[Entry]
