"""The page of CMD, post-hoc and online, over a run's finished seeds."""

from collections.abc import Mapping

import numpy as np

from cmd_jax import runs
from cmd_jax.modes import figures
from cmd_jax.report import METHODS, Figure, Section, Table, mean_std
from experiments import study_page
from experiments.correlation_modes import (
    analysis_page,
    decomposition_page,
    dynamics,
    embedding_page,
    subspace_page,
)
from experiments.study_page import Content, FinishedRun

_NEUTRAL = (("every_records", 1), ("forgetting", 1.0))  # all records, alike


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    study_page.write(directory, _content)


def _content(run: FinishedRun) -> Content:
    seeds = run.seeds
    return Content(
        f"{run.document['name']}: correlation modes of a training trajectory",
        f"Seeds {', '.join(map(str, seeds))}; figures of single weights and of modes "
        f"show seed {seeds[0]}.",
        [
            _accuracy(run),
            *embedding_page.sections(run),
            *subspace_page.sections(run),
            *decomposition_page.sections(run),
            dynamics.section(run),
            *analysis_page.sections(run.arrays, seeds[0]),
        ],
        _highlights(run),
        [
            ("records", int(run.results[0]["num_records"])),
            ("statistics of BatchNorm", run.results[0]["statistics"]),
        ],
    )


def _highlights(run: FinishedRun) -> list[tuple[str, str]]:
    shown = ("sgd", "embedded", "online" if _accuracies(run, "online").size else "cmd")
    tiles = [
        (f"test accuracy, {METHODS[key]} (%)", mean_std(_accuracies(run, key)))
        for key in shown
        if _accuracies(run, key).size
    ]
    return [
        *tiles,
        ("mean R²", mean_std(run.collect("r_squared"), digits=3)),
        ("R² by chance", mean_std(run.collect("null_r_squared"), digits=3)),
    ]


def _accuracies(run: FinishedRun, method: str) -> np.ndarray:
    """Last test accuracies in per cent; empty if only a part was recorded."""
    return 100 * _last(run, "accuracy", method)


def _last(run: FinishedRun, metric: str, method: str) -> np.ndarray:
    """The last test of every seed that has one; older runs kept no losses."""
    found = [result.get(metric, {}).get(method) for result in run.results]
    return np.array([value for value in found if value is not None])


def _accuracy(run: FinishedRun) -> Section:
    title = "Accuracy"
    if not run.results[0]["accuracy"]:
        return Section(
            title,
            "Only a part of the weights was recorded, so neither a record nor its "
            "reconstruction is a network that could be tested.",
        )
    epochs = run.arrays[0]["evaluated_epochs"]
    tested = {key: name for key, name in METHODS.items() if _accuracies(run, key).size}
    paper = run.document["config"]["paper"]
    beside = "; the paper's number is for its own number of epochs" if paper else ""
    columns = ["method", "test accuracy (%)", *["paper (%)"] * bool(paper)]
    rows = [
        [
            name,
            mean_std(_accuracies(run, key)),
            *[paper.get(name)] * bool(paper),
            mean_std(_last(run, "loss", key), digits=3),
        ]
        for key, name in tested.items()
    ]
    settings = {name: _options(run, key) for key, name in tested.items()}
    fixed = "; ".join(f"{name}, {text}" for name, text in settings.items() if text)
    return Section(
        title,
        "SGD stands for the optimizer of the config, on the recorded weights, and so "
        "does Embedded CMD where that optimizer trains with embedded weights. The "
        "estimators have followed that very run, with settings fixed beforehand "
        f"({fixed or 'none'}), and have changed nothing in it: averages of the "
        "records, and CMD fitted to its warm-up and continued with each record, before "
        "which it has no estimate. "
        "Post-hoc CMD replaces every weight by its fit to its mode's reference over "
        "the whole run: it describes the training, and filters it. Statistics of "
        f"BatchNorm, in all of them: {run.results[0]['statistics']}. Accuracy and loss "
        "are means over all labels; of a text every token has one, the next.",
        _curves(run, epochs, tested),
        [
            Table(
                f"Tests at the last record, epoch {epochs[-1]:g}: mean ± standard "
                "deviation (seeds)" + beside,
                [*columns, "loss (nats)"],
                rows,
            )
        ],
    )


def _curves(
    run: FinishedRun, epochs: np.ndarray, tested: Mapping[str, str]
) -> list[Figure]:
    """Test accuracy by epoch, and the loss of those that have one."""
    draw = {"accuracy": figures.accuracy, "loss": figures.loss}
    found = {
        metric: {
            name: np.stack([seed[f"{metric}_{key}"] for seed in run.arrays])
            for key, name in tested.items()
            if all(f"{metric}_{key}" in seed for seed in run.arrays)
        }
        for metric in draw
    }
    return [
        Figure(f"Test {metric} by epoch.", draw[metric](epochs, curves))
        for metric, curves in found.items()
        if curves
    ]


def _options(run: FinishedRun, method: str) -> str:
    """An estimator's settings but for those that change nothing, in words."""
    options = run.document["config"]["estimators"].get(method, {})
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in options.items()
        if (name, value) not in _NEUTRAL
    )
