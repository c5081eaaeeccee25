"""Tables that compare methods on the same runs: accuracies and paired differences.

All methods follow one training run, so that Online CMD is compared with another method
seed by seed: the difference has the spread of the methods, not that of the seeds. From
five seeds on its mean stands with Student's 95 % interval, below that the differences
themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cmd_jax.report.rows import Row
from cmd_jax.report.tables import Cell, Table, mean_std

METHODS = {
    "sgd": "SGD",
    "embedded": "Embedded CMD",
    "ema": "EMA",
    "swa": "SWA",
    "lawa": "LAWA",
    "online": "Online CMD",
    "random_references": "Online CMD, random references",
    "cmd": "post-hoc CMD",
    "last": "last epoch",
    "best": "best on the validation split",
    "p_sgd": "P-SGD",
    "p_bfgs_equal": "P-BFGS (equal)",
    "p_bfgs_long": "P-BFGS (long)",
    "naive": "Naive",
    "gmt": "GMT",
    "fgmt": "FGMT",
    "oracle": "Oracle",
    "source": "Source",
    "trained": "Trained target",
    "scratch": "From scratch, equal cost",
}
"""Methods as results name them, with their names for readers, in the order to show."""

_COMPARED = "online"
_MIN_SEEDS = 5  # for an interval
_CONFIDENCE = 0.95
_NEEDED_COLUMNS = 3  # of `compare`, shown even if empty


class Line(NamedTuple):
    """A line of a table of the paper: a network, or an optimizer, with all its methods.

    Attributes:
      label: its name in the table.
      rows: what was measured; empty where nobody ran it.
      paper: the paper's numbers by the method's name for readers, as `config.paper`.
    """

    label: str
    rows: Sequence[Row]
    paper: Mapping[str, str]

    def accuracies(self, method: str) -> dict[int, float]:
        """Test accuracies in per cent, by seed."""
        return {row.seed: 100 * row.value for row in self._measured(method)}

    def methods(self) -> list[str]:
        """Those that were measured, in the order to show."""
        found = {row.method for row in self.rows if row.metric == "accuracy"}
        return [*(m for m in METHODS if m in found), *sorted(found - set(METHODS))]

    def differences(self, method: str) -> dict[int, float]:
        """Online CMD minus a method, in points, by the seeds that have both."""
        if method == _COMPARED:
            return {}
        ours, other = self.accuracies(_COMPARED), self.accuracies(method)
        return {seed: ours[seed] - other[seed] for seed in sorted(ours.keys() & other)}

    def _measured(self, method: str) -> list[Row]:
        return [r for r in self.rows if (r.method, r.metric) == (method, "accuracy")]


def student_interval(
    differences: Float[np.ndarray, "seeds"], *, confidence: float = _CONFIDENCE
) -> tuple[float, float]:
    """The interval of the mean of paired differences: mean ± t s / √n.

    Args:
      differences: one a seed, at least two.
      confidence: that it covers the true mean, for normal differences.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.report import student_interval
      >>> low, high = student_interval(np.array([0.9, 1.0, 1.1, 1.0, 1.0]))
      >>> print(f"{low:.3f} {high:.3f}")
      0.912 1.088
    """
    from scipy import stats

    n = len(differences)
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * stats.sem(differences)
    mean = float(np.mean(differences))
    return mean - float(reach), mean + float(reach)


def compare(caption: str, kind: str, lines: Iterable[Line]) -> Table:
    """The table of the lines: a row for each method that was measured or published.

    Accuracies are mean ± standard deviation (seeds). A cell nobody ran is empty; a
    column of what the numbers depend on is left out where all of it is.

    Args:
      caption: says what the table shows.
      kind: of the lines, the first heading: "network", "optimizer".
      lines: in the order to show.
    """
    columns = [
        kind,
        "method",
        "test accuracy (%)",
        "paper (%)",
        "Online CMD minus it (points)",
        "epochs",
        "statistics of BatchNorm",
        "wall time (min a seed)",
        "hardware",
    ]
    rows = [row for line in lines for row in _compared(line)]
    kept = [
        n
        for n in range(len(columns))
        if n < _NEEDED_COLUMNS or any(row[n] is not None for row in rows)
    ]
    return Table(
        caption, [columns[n] for n in kept], [[r[n] for n in kept] for r in rows]
    )


def _compared(line: Line) -> list[list[Cell]]:
    names = {method: METHODS.get(method, method) for method in line.methods()}
    published = [name for name in line.paper if name not in names.values()]
    order = [*METHODS.values(), *names.values(), *published]
    rows = [
        [
            line.label,
            name,
            mean_std(list(line.accuracies(method).values())),
            line.paper.get(name),
            _difference_cell(line.differences(method)),
            *_conditions(line),
        ]
        for method, name in names.items()
    ]
    rows += [[line.label, n, None, line.paper[n], *[None] * 5] for n in published]
    return sorted(rows, key=lambda row: order.index(str(row[1])))


def _difference_cell(differences: Mapping[int, float]) -> str | None:
    values = np.array(list(differences.values()))
    if len(values) < _MIN_SEEDS:
        return ", ".join(map(_signed, values)) or None
    return f"{_signed(values.mean())} {_interval_cell(values)}"


def _interval_cell(values: Float[np.ndarray, "seeds"]) -> str | None:
    if len(values) < _MIN_SEEDS:
        return None
    low, high = student_interval(values)
    return f"[{_signed(low)}, {_signed(high)}]"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def _conditions(line: Line) -> list[Cell]:
    """Epochs, statistics, minutes a seed and hardware of what was measured."""
    together = {
        row.seed: row.wall_seconds / row.seeds_together / 60
        for row in line.rows
        if row.wall_seconds is not None and row.seeds_together is not None
    }
    statistics = _joined(row.statistics for row in line.rows)
    return [
        _joined(row.epochs for row in line.rows),
        None if statistics and statistics.startswith("none") else statistics,
        float(f"{np.mean(list(together.values())):.2g}") if together else None,
        _joined(row.hardware for row in line.rows),
    ]


def _joined(values: Iterable[str | int]) -> str | None:
    return "; ".join(dict.fromkeys(map(str, values))) or None


def differences_by_seed(caption: str, kind: str, lines: Sequence[Line]) -> Table:
    """Online CMD minus each other method, in points: every seed, mean and interval.

    Args:
      caption: says what the table shows.
      kind: of the lines, the first heading.
      lines: in the order to show.
    """
    seeds = sorted({row.seed for line in lines for row in line.rows})
    rows: list[list[Cell]] = []
    for line in lines:
        for method in line.methods():
            if differences := line.differences(method):
                values = np.array(list(differences.values()))
                cells = [differences.get(seed) for seed in seeds]
                rows.append(
                    [
                        line.label,
                        METHODS.get(method, method),
                        *(None if cell is None else _signed(cell) for cell in cells),
                        _signed(values.mean()),
                        _interval_cell(values),
                    ]
                )
    seed_columns = [f"seed {seed}" for seed in seeds]
    columns = [kind, "Online CMD minus", *seed_columns, "mean", "95 % interval"]
    return Table(caption, columns, rows)
