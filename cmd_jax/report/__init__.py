"""Reports: sections of text, figures and tables on one self-contained HTML page.

A report knows nothing of what it shows: others fill a list of `Section`.
"""

from cmd_jax.report.page import Figure, Section, write_page
from cmd_jax.report.tables import Cell, Table, mean_std, to_csv, to_html, to_markdown

__all__ = [
    "Cell",
    "Figure",
    "Section",
    "Table",
    "mean_std",
    "to_csv",
    "to_html",
    "to_markdown",
    "write_page",
]
