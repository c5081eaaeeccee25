"""Comparisons: paired by seed, with SciPy's interval, and empty where nobody ran."""

import numpy as np
import pytest
from scipy import stats

from cmd_jax.report import (
    Line,
    Row,
    compare,
    differences_by_seed,
    mean_std,
    student_interval,
)


def _row(seed, method, value, **fields):
    row = Row(
        *("digits", "", seed, method, "accuracy", value, "none, no BatchNorm", 60),
        *("python run.py", "", "jax 0.10.2", "A, 2 cores", 600.0, 5),
    )
    return row._replace(**fields)


def _line(num_seeds, paper=None):
    values = np.random.default_rng(0).uniform(0.8, 0.9, (3, num_seeds))
    rows = [
        _row(seed, method, value)
        for method, of_method in zip(("swa", "online", "sgd"), values, strict=True)
        for seed, value in enumerate(of_method)
    ]
    return Line("MLP", rows, paper or {}), values


def test_the_interval_is_that_of_the_paired_t_test():
    first, second = np.random.default_rng(1).normal(90, 1, (2, 7))
    test = stats.ttest_rel(first, second)
    for confidence in (0.95, 0.5):
        expected = test.confidence_interval(confidence)
        interval = student_interval(first - second, confidence=confidence)
        np.testing.assert_allclose(interval, expected, rtol=1e-12)


def test_from_five_seeds_on_differences_are_a_mean_in_an_interval():
    line, (swa, online, sgd) = _line(5)
    table = compare("A", "network", [line])
    cells = {row[1]: row[4 - 1] for row in table.rows}
    assert table.columns[3] == "Online CMD minus it (points)"
    for name, other in (("SGD", sgd), ("SWA", swa)):
        low, high = stats.ttest_rel(100 * online, 100 * other).confidence_interval()
        mean = 100 * (online - other).mean()
        assert (
            cells[name].replace("\u2212", "-")
            == f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        )
    assert cells["Online CMD"] is None


def test_below_five_seeds_they_are_themselves():
    line, (_, online, sgd) = _line(4)
    cells = {row[1]: row[3] for row in compare("A", "network", [line]).rows}
    expected = ", ".join(f"{x:+.2f}" for x in 100 * (online - sgd))
    assert cells["SGD"].replace("\u2212", "-") == expected


def test_seeds_are_paired_however_the_rows_are_ordered():
    line, _ = _line(6)
    shuffled = line._replace(rows=line.rows[::-1])
    assert compare("A", "n", [line]) == compare("A", "n", [shuffled])
    by_seed = differences_by_seed("A", "n", [line]).rows
    assert {tuple(row) for row in by_seed} == {
        tuple(row) for row in differences_by_seed("A", "n", [shuffled]).rows
    }


def test_only_seeds_with_both_methods_are_paired():
    rows = [_row(0, "sgd", 0.5), _row(1, "sgd", 0.6), _row(1, "online", 0.7)]
    line = Line("MLP", [*rows, _row(2, "online", 0.9)], {})
    table = differences_by_seed("A", "run", [line])
    assert table.columns == [
        *("run", "Online CMD minus", "seed 0", "seed 1", "seed 2"),
        *("mean", "95 % interval"),
    ]
    assert table.rows == [["MLP", "SGD", None, "+10.00", None, "+10.00", None]]


def test_a_method_stands_beside_the_papers_number():
    line, (swa, *_) = _line(5, paper={"SGD": "90.0 ± 1.0", "P-BFGS": "89.0 ± 1.0"})
    table = compare("A", "network", [line, Line("ResNet", [], {"SGD": "91.0 ± 2.0"})])
    assert table.columns[:4] == ["network", "method", "test accuracy (%)", "paper (%)"]
    assert [row[:2] + row[3:4] for row in table.rows] == [
        ["MLP", "SGD", "90.0 ± 1.0"],
        ["MLP", "SWA", None],
        ["MLP", "Online CMD", None],
        ["MLP", "P-BFGS", "89.0 ± 1.0"],
        ["ResNet", "SGD", "91.0 ± 2.0"],
    ]
    assert table.rows[1][2] == mean_std(100 * swa)
    assert table.rows[3][2] is None
    assert table.rows[4][2:] == [None, "91.0 ± 2.0", *[None] * 4]


def test_wall_time_is_a_seeds_share_and_absent_columns_are_left_out():
    rows = [
        _row(0, "sgd", 0.5),
        _row(1, "sgd", 0.5, wall_seconds=60.0, seeds_together=1),
    ]
    table = compare("A", "network", [Line("MLP", rows, {})])
    assert table.columns == [
        *("network", "method", "test accuracy (%)", "epochs"),
        *("wall time (min a seed)", "hardware"),
    ]
    assert table.rows[0][3:] == ["60", 1.5, "A, 2 cores"]


@pytest.mark.parametrize("statistics", ["the test batch's own, batches of 128"])
def test_statistics_of_batch_norm_are_named(statistics):
    rows = [_row(0, "sgd", 0.5, statistics=statistics)]
    table = compare("A", "network", [Line("ResNet", rows, {})])
    assert table.rows[0][table.columns.index("statistics of BatchNorm")] == statistics


def test_nothing_run_is_the_heading():
    table = compare("A", "network", [Line("MLP", [], {})])
    assert (table.columns, table.rows) == (
        ["network", "method", "test accuracy (%)"],
        [],
    )
