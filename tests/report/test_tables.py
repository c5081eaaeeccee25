"""Tables: every format says the same, and nothing in a cell breaks out of it."""

import csv
import html.parser
import io
import statistics

import numpy as np
import pytest

from cmd_jax.report import Table, mean_std, to_csv, to_html, to_latex, to_markdown

TABLE = Table(
    "Runs, in short",
    ["method", "accuracy", "weights", "note"],
    [
        ["SGD", 0.1 + 0.2, 11_173_962, 'a "quoted", b | c'],
        ["post-hoc CMD", np.float64(1 / 3), np.int64(9), "two\nlines"],
        ["none", None, None, "<b>&amp;"],
    ],
)


class Cells(html.parser.HTMLParser):
    """Collects the text and the class of every cell, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.classes, self.open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
            self.classes.append([])
        self.open = tag in ("td", "th")
        if self.open:
            self.rows[-1].append("")
            self.classes[-1].append(dict(attrs).get("class"))

    def handle_endtag(self, tag):
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def test_csv_gives_back_every_cell_in_full():
    heading, *rows = csv.reader(io.StringIO(to_csv(TABLE), newline=""))
    assert heading == TABLE.columns
    assert [row[3] for row in rows] == [row[3] for row in TABLE.rows]
    assert [float(row[1]) for row in rows[:2]] == [0.1 + 0.2, 1 / 3]
    assert [row[2] for row in rows] == ["11173962", "9", ""]


def test_markdown_escapes_bars_and_keeps_one_line_a_row():
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**Runs, in short**"
    assert lines[3] == "| --- | ---: | ---: | --- |"
    assert lines[4] == r'| SGD | 0.3 | 11,173,962 | a "quoted", b \| c |'
    assert lines[5] == "| post-hoc CMD | 0.3333 | 9 | two lines |"
    assert lines[6] == "| none |  |  | <b>&amp; |"
    assert len(lines) == 4 + len(TABLE.rows)


def test_html_shows_the_cells_as_text_and_numbers_flush_right():
    cells = Cells(to_html(TABLE))
    assert cells.rows[0] == TABLE.columns
    assert cells.rows[1] == ["SGD", "0.3", "11,173,962", 'a "quoted", b | c']
    assert cells.rows[3] == ["none", "", "", "<b>&amp;"]
    assert cells.classes == [[None, "number", "number", None]] * 4


def test_latex_sets_a_row_a_line_and_escapes_what_latex_reads():
    lines = to_latex(TABLE._replace(caption="50 % of #1")).splitlines()
    assert lines[2:4] == [r"  \caption{50 \% of \#1}", r"  \begin{tabular}{lrrl}"]
    assert lines[5] == r"    method & accuracy & weights & note \\"
    assert lines[7] == r'    SGD & 0.3 & 11,173,962 & a "quoted", b \textbar{} c \\'
    assert lines[8] == r"    post-hoc CMD & 0.3333 & 9 & two lines \\"
    assert lines[9] == r"    none &  &  & \textless{}b\textgreater{}\&amp; \\"
    (row,) = to_latex(Table("", ["x"], [["[a_b] \\x 1 ± 2"]])).splitlines()[7:8]
    assert row == r"    {[}a\_b] \textbackslash{}x 1 $\pm$ 2 \\"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (0, "0"),
        (-1234, "-1,234"),
        (0.0, "0"),
        (1e-7, "1.000e-07"),
        (123456.0, "1.235e+05"),
        (np.float32(0.25), "0.25"),
        (float("nan"), "nan"),
        (True, "True"),
        (None, ""),
    ],
)
def test_numbers_are_shown_in_one_way(cell, shown):
    assert Cells(to_html(Table("", ["x"], [[cell]]))).rows[1] == [shown]


def test_mean_std_is_the_standard_librarys():
    values = [91.27, 90.11, 92.6, 90.9]
    mean, std = statistics.mean(values), statistics.stdev(values)
    assert mean_std(values) == f"{mean:.2f} ± {std:.2f} (4)"
    assert mean_std(np.array(values), digits=1) == f"{mean:.1f} ± {std:.1f} (4)"


def test_one_value_shows_no_spread_and_none_is_empty():
    assert mean_std([91.274]) == "91.27 (1)"
    assert mean_std([]) == ""


def test_means_are_set_as_numbers():
    table = Table("", ["a"], [[mean_std([1.0, 2.0])], [None]])
    assert Cells(to_html(table)).classes[1] == ["number"]


@pytest.mark.parametrize("write", [to_csv, to_html, to_latex, to_markdown])
def test_a_ragged_row_is_named(write):
    table = Table("Errors", ["a", "b"], [[1, 2], [3]])
    with pytest.raises(ValueError, match=r"row 1 of the table 'Errors' has 1 cells"):
        write(table)


@pytest.mark.parametrize("write", [to_csv, to_html, to_latex, to_markdown])
def test_a_table_without_rows_is_its_heading(write):
    assert "method" in write(Table("Nothing yet", ["method", "value"], []))
