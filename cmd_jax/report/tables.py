"""Tables of results, written as Markdown, CSV, LaTeX and HTML.

A cell is a text, a number or None (not measured: left empty, never filled by hand). For
readers numbers are rounded; CSV keeps every digit.
"""

import csv
import html
import io
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Cell = str | bool | int | float | np.number | None
"""What a table holds: a text, a number, or None where nothing was measured."""

_LATEX = str.maketrans(
    {
        **{sign: "\\" + sign for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # after the end of a row it would be taken for an option
        "±": r"$\pm$",
        "\u2212": "$-$",
        "²": "$^2$",
    }
)
_NUMBER = re.compile(r"[-+\u2212]?\.?\d")


class Table(NamedTuple):
    """A table and its caption.

    Attributes:
      caption: what the table shows, in a sentence; it also names its downloads.
      columns: one heading per column.
      rows: one sequence of cells per row, as long as `columns`.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def mean_std(values: Sequence[int | float] | np.ndarray, *, digits: int = 2) -> str:
    """The cell "mean ± std (n)" of measurements over seeds.

    The standard deviation is the sample's (ddof 1). One value shows none, as one seed
    tells nothing about the spread; no values give the empty cell.

    Args:
      values: one number per seed, in the unit to show.
      digits: decimals of both numbers.

    Example:
      >>> from cmd_jax.report import mean_std
      >>> mean_std([90.0, 91.0, 92.0])
      '91.00 ± 1.00 (3)'
      >>> mean_std([90.0])
      '90.00 (1)'
    """
    values = np.asarray(values, np.float64).ravel()
    if values.size == 0:
        return ""
    if values.size == 1:
        return f"{values[0]:.{digits}f} (1)"
    std = values.std(ddof=1)
    return f"{values.mean():.{digits}f} ± {std:.{digits}f} ({values.size})"


def to_markdown(table: Table) -> str:
    """The table in GitHub's Markdown, its caption in bold above it.

    Raises:
      ValueError: a row is not as long as the headings.

    Example:
      >>> from cmd_jax.report import Table, to_markdown
      >>> print(to_markdown(Table("Error", ["method", "%"], [["SGD", 9.5]])), end="")
      **Error**
      <BLANKLINE>
      | method | % |
      | --- | ---: |
      | SGD | 9.5 |
    """
    rules = ["---:" if numeric else "---" for numeric in _numeric_columns(table)]
    lines = [[_markdown(name) for name in table.columns], rules]
    lines += [[_markdown(_shown(cell)) for cell in row] for row in table.rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{_markdown(table.caption)}**\n\n{body}\n"


def to_csv(table: Table) -> str:
    r"""The table as CSV with a heading, numbers in full; the caption is left out.

    Raises:
      ValueError: a row is not as long as the headings.

    Example:
      >>> from cmd_jax.report import Table, to_csv
      >>> to_csv(Table("Error", ["method", "%"], [["SGD", 9.5], ["CMD", None]]))
      'method,%\nSGD,9.5\nCMD,\n'
    """
    _check(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


def to_latex(table: Table) -> str:
    r"""The table in LaTeX, as a float with its caption; it needs the package booktabs.

    Raises:
      ValueError: a row is not as long as the headings.

    Example:
      >>> from cmd_jax.report import Table, to_latex
      >>> print(to_latex(Table("Error", ["method", "%"], [["SGD", 9.5]])), end="")
      \begin{table}
        \centering
        \caption{Error}
        \begin{tabular}{lr}
          \toprule
          method & \% \\
          \midrule
          SGD & 9.5 \\
          \bottomrule
        \end{tabular}
      \end{table}
    """
    columns = "".join("r" if numeric else "l" for numeric in _numeric_columns(table))
    tabular = [r"\toprule", _latex_row(table.columns), r"\midrule"]
    tabular += [*map(_latex_row, table.rows), r"\bottomrule"]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(table.caption)}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        *(f"    {line}" for line in tabular),
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[Cell]) -> str:
    return " & ".join(_latex(_shown(cell)) for cell in cells) + r" \\"


def _latex(text: str) -> str:
    return " ".join(text.translate(_LATEX).split())


def to_html(table: Table) -> str:
    """The table as an HTML `<table>`, everything in it escaped.

    Columns of numbers carry the class `number`, to be set flush right.

    Raises:
      ValueError: a row is not as long as the headings.

    Example:
      >>> from cmd_jax.report import Table, to_html
      >>> "<td>a &lt; b</td>" in to_html(Table("", ["which"], [["a < b"]]))
      True
    """
    numeric = _numeric_columns(table)
    head = _html_row("th", table.columns, numeric)
    body = "\n".join(_html_row("td", row, numeric) for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>"
    return (
        f"<table>\n{caption}\n<thead>\n{head}\n</thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _html_row(tag: str, cells: Sequence[Cell], numeric: Sequence[bool]) -> str:
    marks = [' class="number"' if flag else "" for flag in numeric]
    texts = [html.escape(_shown(cell)) for cell in cells]
    row = (
        f"<{tag}{mark}>{text}</{tag}>" for mark, text in zip(marks, texts, strict=True)
    )
    return f"<tr>{''.join(row)}</tr>"


def _shown(cell: Cell) -> str:
    """A cell as readers see it: integers in groups of three, four digits of others."""
    if cell is None:
        return ""
    if isinstance(cell, str | bool):
        return str(cell)
    if isinstance(cell, int | np.integer):
        return f"{cell:,}"
    if cell != 0 and math.isfinite(cell) and not 1e-4 <= abs(cell) < 1e4:
        return f"{cell:.3e}"
    return f"{cell:.4g}"


def _markdown(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers, means included, and nothing else."""
    _check(table)
    shown = [[_shown(cell) for cell in row] for row in table.rows]
    columns = list(zip(*shown, strict=True)) or [()] * len(table.columns)
    return [
        any(column) and all(_NUMBER.match(text) for text in column if text)
        for column in columns
    ]


def _check(table: Table) -> None:
    for number, row in enumerate(table.rows):
        if len(row) != len(table.columns):
            raise ValueError(
                f"row {number} of the table {table.caption!r} has {len(row)} cells; "
                f"its {len(table.columns)} columns are {list(table.columns)}. "
                "Give one cell per column, None where nothing was measured"
            )
