"""The page about the mini-batch size: test accuracy over m and η, and its table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cmd_jax import files, runs
from cmd_jax.phase_transition import figures
from cmd_jax.report import (
    Cell,
    Figure,
    Section,
    Table,
    mean_std,
    to_csv,
    to_markdown,
    write_page,
)

_ENDS = ("fixed epochs", "fixed steps")
_TRAINED = 90.0  # per cent


class _Run(NamedTuple):
    """What the finished seeds have handed over."""

    document: Mapping[str, Any]
    environment: Mapping[str, Any]
    seeds: Sequence[int]
    batch_sizes: np.ndarray
    learning_rates: np.ndarray
    accuracy: np.ndarray  # [seeds, rates, points, 2], per cent
    finite: np.ndarray

    def budget(self, end: int) -> str:
        """How long a network was trained before the test."""
        grid = self.document["config"]["batch_size"]
        return (f"{grid['num_epochs']} epochs", f"{grid['num_steps']} steps")[end]


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    seeds = directory.finished_seeds()
    arrays = [directory.seed(seed).arrays() for seed in seeds]
    run = _Run(
        directory.config(),
        directory.environment(),
        seeds,
        arrays[0]["batch_sizes"],
        arrays[0]["learning_rates"],
        100 * np.stack([seed["accuracy"] for seed in arrays]),
        np.stack([seed["finite"] for seed in arrays]),
    )
    files.write_atomic(directory.tables / "points.csv", to_csv(_tidy(run)))
    tables = [_table(run, end) for end in range(2)]
    for end, table in zip(_ENDS, tables, strict=True):
        name = end.replace(" ", "_")
        files.write_atomic(directory.tables / f"{name}.md", to_markdown(table))
    write_page(
        directory.report,
        f"{run.document['name']}: test accuracy and the mini-batch size",
        [
            _accuracy(run, tables, directory),
            _settings(run),
        ],
        subtitle=f"Seeds {', '.join(map(str, seeds))}.",
        footer=f"`{run.environment['command']}`",
    )


def _accuracy(
    run: _Run, tables: Sequence[Table], directory: runs.RunDirectory
) -> Section:
    panels = {
        f"after {run.budget(end)}": {
            f"η = {rate:g}": run.accuracy[:, number, :, end]
            for number, rate in enumerate(run.learning_rates)
        }
        for end in range(2)
    }
    image = figures.accuracies(run.batch_sizes, panels, chance=10.0)
    files.write_atomic(directory.tables / "accuracy.svg", image)
    return Section(
        "Test accuracy",
        "Every point is one training, tested twice: after a number of epochs, where a "
        "small batch means many steps, and after a number of steps, where a large "
        "batch means much data. The learning rate is constant. A network that diverged "
        "is tested as it is: it guesses.",
        [
            Figure(
                "Test accuracy against the mini-batch size; means over "
                f"{len(run.seeds)} seeds with one standard deviation, the grey line is "
                "chance.",
                image,
            )
        ],
        [_ranges(run), *tables],
    )


def _ranges(run: _Run) -> Table:
    """Where training succeeds, by learning rate."""
    rows: list[list[Cell]] = []
    for number, rate in enumerate(run.learning_rates):
        for end in range(2):
            mean = run.accuracy[:, number, :, end].mean(axis=0)
            trained = run.batch_sizes[mean >= _TRAINED]
            best = int(mean.argmax())
            rows.append(
                [
                    float(rate),
                    run.budget(end),
                    int(trained.min()) if trained.size else None,
                    int(trained.max()) if trained.size else None,
                    int(run.batch_sizes[best]),
                    mean_std(run.accuracy[:, number, best, end]),
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


def _table(run: _Run, end: int) -> Table:
    """A row a batch size, a column a learning rate."""
    rows: list[list[Cell]] = [
        [
            int(size),
            *(
                mean_std(run.accuracy[:, rate, place, end])
                + _failed(run, rate, place, end)
                for rate in range(len(run.learning_rates))
            ),
        ]
        for place, size in enumerate(run.batch_sizes)
    ]
    return Table(
        f"Test accuracy after {run.budget(end)}: per cent, mean ± standard deviation "
        "(seeds); in brackets how many diverged",
        ["m", *(f"η = {rate:g}" for rate in run.learning_rates)],
        rows,
    )


def _failed(run: _Run, rate: int, place: int, end: int) -> str:
    number = int((~run.finite[:, rate, place, end]).sum())
    return f" [{number}]" if number else ""


def _tidy(run: _Run) -> Table:
    """A row a measurement."""
    rows: list[list[Cell]] = [
        [
            run.document["name"],
            int(seed),
            float(rate),
            int(size),
            run.budget(end),
            float(run.accuracy[i, j, k, end] / 100),
            not bool(run.finite[i, j, k, end]),
        ]
        for i, seed in enumerate(run.seeds)
        for j, rate in enumerate(run.learning_rates)
        for k, size in enumerate(run.batch_sizes)
        for end in range(2)
    ]
    columns = ["config", "seed", "learning_rate", "batch_size", "tested_after"]
    return Table("", [*columns, "accuracy", "diverged"], rows)


def _settings(run: _Run) -> Section:
    environment = run.environment
    rows: list[list[Cell]] = [
        ["configuration", f"{run.document['name']}, hash {run.document['hash']}"],
        ["commit", environment["commit"] or "not in a git checkout"],
        ["processor", f"{environment['processor']}, {environment['cores']} cores"],
        ["devices", ", ".join(environment["devices"])],
        *([name, version] for name, version in environment["versions"].items()),
    ]
    config = json.dumps(run.document["config"], indent=2)
    indented = "\n".join("    " + line for line in config.splitlines())
    return Section(
        "Settings",
        f"The command:\n\n    {environment['command']}\n\nThe config:\n\n{indented}",
        tables=[Table("Environment: what the numbers depend on", ["", "value"], rows)],
    )
