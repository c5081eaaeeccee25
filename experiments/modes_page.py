"""The page of CMD, post-hoc and online, over a run's finished seeds."""

import numpy as np

from cmd_jax import runs
from cmd_jax.modes import figures
from cmd_jax.report import METHODS, Figure, Section, Table, mean_std
from experiments import (
    analysis_page,
    decomposition_page,
    dynamics,
    embedding_page,
    study_page,
    subspace_page,
)
from experiments.study_page import Content, FinishedRun


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
    found = [result["accuracy"].get(method) for result in run.results]
    return 100 * np.array([value for value in found if value is not None])


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
    curves = {
        name: np.stack([seed[f"accuracy_{key}"] for seed in run.arrays])
        for key, name in tested.items()
    }
    paper = run.document["config"]["paper"]
    rows = [
        [name, _options(run, key), mean_std(_accuracies(run, key)), paper.get(name)]
        for key, name in tested.items()
    ]
    return Section(
        title,
        "SGD stands for the optimizer of the config, on the recorded weights, and so "
        "does Embedded CMD where that optimizer trains with embedded weights. The "
        "estimators have followed that very run, with settings fixed beforehand, and "
        "have changed nothing in it: averages of the records, and CMD fitted to its "
        "warm-up and continued with each record, before which it has no estimate. "
        "Post-hoc CMD replaces every weight by its fit to its mode's reference over "
        "the whole run: it describes the training, and filters it. Statistics of "
        f"BatchNorm, in all of them: {run.results[0]['statistics']}.",
        [Figure("Test accuracy by epoch.", figures.accuracy(epochs, curves))],
        [
            Table(
                f"Test accuracy: per cent at the last record, epoch {epochs[-1]:g}, "
                "mean ± standard deviation (seeds); the paper's number is for its own "
                "number of epochs",
                ["method", "settings", "test accuracy (%)", "paper"],
                rows,
            )
        ],
    )


def _options(run: FinishedRun, method: str) -> str:
    """An estimator's settings, in words; "" for what is none."""
    options = run.document["config"]["estimators"].get(method, {})
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}" for name, value in options.items()
    )
