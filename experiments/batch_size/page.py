"""The page about the mini-batch size: test accuracy over m and η, and its table."""

from typing import NamedTuple

import numpy as np

from cmd_jax import runs
from cmd_jax.phase_transition import figures
from cmd_jax.report import Cell, Figure, Section, Table, mean_std
from experiments import study_page

_TRAINED = 90.0  # per cent


class _Grid(NamedTuple):
    """What the finished seeds have measured, after the epochs and after the steps."""

    name: str
    seeds: list[int]
    budgets: list[str]
    batch_sizes: np.ndarray
    learning_rates: np.ndarray
    accuracy: np.ndarray  # [seeds, rates, points, 2], per cent
    finite: np.ndarray


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    study_page.write(directory, _content)


def _content(run: study_page.FinishedRun) -> study_page.Content:
    first = run.arrays[0]
    grid = _Grid(
        run.document["name"],
        list(run.seeds),
        run.results[0]["ends"],
        first["batch_sizes"],
        first["learning_rates"],
        100 * np.stack([seed["accuracy"] for seed in run.arrays]),
        np.stack([seed["finite"] for seed in run.arrays]),
    )
    best = grid.accuracy.mean(axis=0).max(axis=(0, 1))
    return study_page.Content(
        f"{grid.name}: test accuracy and the mini-batch size",
        f"Seeds {', '.join(map(str, grid.seeds))}.",
        [_accuracy(grid)],
        [
            (f"best mean after {budget} (%)", f"{value:.2f}")
            for budget, value in zip(grid.budgets, best, strict=True)
        ],
    )


def _accuracy(grid: _Grid) -> Section:
    panels = {
        f"after {budget}": {
            f"η = {rate:g}": grid.accuracy[:, number, :, end]
            for number, rate in enumerate(grid.learning_rates)
        }
        for end, budget in enumerate(grid.budgets)
    }
    caption = (
        "Test accuracy against the mini-batch size; means over "
        f"{len(grid.seeds)} seeds with one standard deviation, the grey line is chance."
    )
    return Section(
        "Test accuracy",
        "Every point is one training, tested twice: after a number of epochs, where a "
        "small batch means many steps, and after a number of steps, where a large "
        "batch means much data. The learning rate is constant. A network that diverged "
        "is tested as it is: it guesses.",
        [Figure(caption, figures.accuracies(grid.batch_sizes, panels, chance=10.0))],
        [_ranges(grid), *(_table(grid, end) for end in range(2)), _points(grid)],
    )


def _ranges(grid: _Grid) -> Table:
    """Where training succeeds, by learning rate."""
    rows: list[list[Cell]] = []
    for number, rate in enumerate(grid.learning_rates):
        for end in range(2):
            mean = grid.accuracy[:, number, :, end].mean(axis=0)
            trained = grid.batch_sizes[mean >= _TRAINED]
            best = int(mean.argmax())
            rows.append(
                [
                    float(rate),
                    grid.budgets[end],
                    int(trained.min()) if trained.size else None,
                    int(trained.max()) if trained.size else None,
                    int(grid.batch_sizes[best]),
                    mean_std(grid.accuracy[:, number, best, end]),
                ]
            )
    return Table(
        f"Batch sizes that train: those with a mean test accuracy of {_TRAINED:g} % or "
        "more, and the best one",
        [
            "learning rate",
            "tested after",
            "smallest m",
            "largest m",
            "best m",
            "its (%)",
        ],
        rows,
    )


def _table(grid: _Grid, end: int) -> Table:
    """A row a batch size, a column a learning rate."""
    rows: list[list[Cell]] = [
        [
            int(size),
            *(
                mean_std(grid.accuracy[:, rate, place, end])
                + _failed(grid, rate, place, end)
                for rate in range(len(grid.learning_rates))
            ),
        ]
        for place, size in enumerate(grid.batch_sizes)
    ]
    return Table(
        f"Test accuracy after {grid.budgets[end]}: per cent, mean ± standard deviation "
        "(seeds); in brackets how many diverged",
        ["m", *(f"η = {rate:g}" for rate in grid.learning_rates)],
        rows,
    )


def _failed(grid: _Grid, rate: int, place: int, end: int) -> str:
    number = int((~grid.finite[:, rate, place, end]).sum())
    return f" [{number}]" if number else ""


def _points(grid: _Grid) -> Table:
    """A row a measurement."""
    rows: list[list[Cell]] = [
        [
            grid.name,
            int(seed),
            float(rate),
            int(size),
            grid.budgets[end],
            float(grid.accuracy[i, j, k, end] / 100),
            not bool(grid.finite[i, j, k, end]),
        ]
        for i, seed in enumerate(grid.seeds)
        for j, rate in enumerate(grid.learning_rates)
        for k, size in enumerate(grid.batch_sizes)
        for end in range(2)
    ]
    columns = ["config", "seed", "learning_rate", "batch_size", "tested_after"]
    return Table("Points: every measurement", [*columns, "accuracy", "diverged"], rows)
