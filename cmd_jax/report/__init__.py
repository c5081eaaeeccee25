"""Reports: sections of text, figures and tables on one self-contained HTML page.

A page knows nothing of what it shows: others fill a list of `Section`. The rows of
finished runs are collected in one CSV a config, and tables compare methods by them.
"""

from cmd_jax.report.comparison import (
    METHODS,
    Line,
    compare,
    differences_by_seed,
    student_interval,
)
from cmd_jax.report.page import Figure, Section, write_page
from cmd_jax.report.rows import Row, collect, merge_rows, read_rows, write_rows
from cmd_jax.report.tables import (
    Cell,
    Table,
    mean_std,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
)

__all__ = [
    "METHODS",
    "Cell",
    "Figure",
    "Line",
    "Row",
    "Section",
    "Table",
    "collect",
    "compare",
    "differences_by_seed",
    "mean_std",
    "merge_rows",
    "read_rows",
    "student_interval",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "write_page",
    "write_rows",
]
