"""What comes of a benchmark case: a row of numbers, and the table of the rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark_cases.case import Case, Work


class Row(NamedTuple):
    """One case's outcome: quartiles of the pairwise ratios, and all raw numbers."""

    name: str
    description: str
    direction: str
    bar: float
    aim: float
    lower_quartile: float
    ratio: float
    upper_quartile: float
    holds: bool
    reaches_aim: bool
    measured: Mapping[str, list[float]]
    unit: str
    counts: Mapping[str, float]
    note: str


def summarize(case: Case, work: Work, measured: Mapping[str, list[float]]) -> Row:
    """The row of one case; it is the median ratio that holds the bar or not."""
    ratios = np.divide(measured["case"], measured["reference"])
    if case.direction == "at least":
        ratios = 1 / ratios
    lower, median, upper = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
    return Row(
        name=case.name,
        description=case.description,
        direction=case.direction,
        bar=case.bar,
        aim=case.aim,
        lower_quartile=lower,
        ratio=median,
        upper_quartile=upper,
        holds=case.allows(median, case.bar),
        reaches_aim=case.allows(median, case.aim),
        measured=measured,
        unit=work.unit,
        counts=dict(work.counts),
        note=work.note,
    )


def markdown(header: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The header as one line and the rows as a Markdown table."""
    columns = "case|ratio|quartiles|bar|aim|holds|measured|reference|rate|note"
    table = [columns.split("|"), ["---"] * 10, *map(cells, rows)]
    title = ", ".join(f"{name} {value}" for name, value in header.items())
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in table)])


def cells(row: Row) -> list[str]:
    """One row of the table as text."""
    sign = "≤" if row.direction == "at most" else "≥"
    found, reference = (np.median(row.measured[x]) for x in ("case", "reference"))
    rates = (f"{amount / found:.3g} {u}/s" for u, amount in row.counts.items())
    return [
        row.name,
        f"{row.ratio:.3g}×",
        f"{row.lower_quartile:.3g}–{row.upper_quartile:.3g}",
        f"{sign} {row.bar:g}×",
        f"{sign} {row.aim:g}×",
        "aim" if row.reaches_aim else "bar" if row.holds else "**no**",
        f"{found:.3g} {row.unit}",
        f"{reference:.3g} {row.unit}",
        ", ".join(rates),
        row.note,
    ]
