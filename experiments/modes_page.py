"""The page of CMD, post-hoc and online: its sections, over a run's finished seeds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cmd_jax import files, runs
from cmd_jax.modes import figures
from cmd_jax.report import (
    METHODS,
    Figure,
    Section,
    Table,
    mean_std,
    to_csv,
    to_markdown,
    write_page,
)
from experiments import analysis_page


class _Run(NamedTuple):
    """What the finished seeds of a run have handed over."""

    document: Mapping[str, Any]
    environment: Mapping[str, Any]
    seeds: Sequence[int]
    results: Sequence[Mapping[str, Any]]
    arrays: Sequence[Mapping[str, np.ndarray]]

    def collect(self, name: str) -> np.ndarray:
        """A number of every seed."""
        return np.array([result[name] for result in self.results])


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    seeds = directory.finished_seeds()
    run = _Run(
        directory.config(),
        directory.environment(),
        seeds,
        [directory.seed(seed).results() for seed in seeds],
        [directory.seed(seed).arrays() for seed in seeds],
    )
    try:
        sections = _sections(run)
    except KeyError as error:
        raise ValueError(
            f"the files of {directory.root} lack {error}: another version of cmd_jax "
            "wrote them. Pass --overwrite to begin anew"
        ) from error
    for table in (table for section in sections for table in section.tables):
        name = "_".join(table.caption.split(":")[0].lower().split())
        files.write_atomic(directory.tables / f"{name}.csv", to_csv(table))
        files.write_atomic(directory.tables / f"{name}.md", to_markdown(table))
    write_page(
        directory.report,
        f"{run.document['name']}: correlation modes of a training trajectory",
        sections,
        subtitle=f"Seeds {', '.join(map(str, seeds))}; figures of single weights and "
        f"of modes show seed {seeds[0]}.",
        highlights=_highlights(run),
        footer=f"`{run.environment['command']}`",
    )


def _sections(run: _Run) -> list[Section]:
    return [
        _accuracy(run),
        _fit_and_null(run),
        _matrix(run),
        _profiles(run),
        _spread(run),
        _weights(run),
        *analysis_page.sections(run.arrays, run.seeds[0]),
        _settings(run),
    ]


def _highlights(run: _Run) -> list[tuple[str, str]]:
    shown = ("sgd", "online" if _accuracies(run, "online").size else "cmd")
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


def _accuracies(run: _Run, method: str) -> np.ndarray:
    """Last test accuracies in per cent; empty if only a part was recorded."""
    found = [result["accuracy"].get(method) for result in run.results]
    return 100 * np.array([value for value in found if value is not None])


def _accuracy(run: _Run) -> Section:
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
        "SGD stands for the optimizer of the config, on the recorded weights. The "
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


def _options(run: _Run, method: str) -> str:
    """An estimator's settings, in words; "" for what is none."""
    options = run.document["config"]["estimators"].get(method, {})
    return ", ".join(
        f"{name.replace('_', ' ')} {value:g}" for name, value in options.items()
    )


def _fit_and_null(run: _Run) -> Section:
    by_mode = np.stack([_by_mode(seed) for seed in run.arrays])
    r_squared, null = run.collect("r_squared"), run.collect("null_r_squared")
    rows = [
        [
            label,
            *(
                mean_std(run.collect(f"{null}{name}"), digits=3)
                for null in ("", "null_")
            ),
        ]
        for label, name in (
            ("mean R²", "r_squared"),
            ("mean |correlation|", "correlation"),
        )
    ]
    carried = run.results[0]["carried"]
    constant = run.collect("num_constant")
    notes = [
        "Unrelated random walks correlate too. The null is the whole pipeline on "
        "independent random walks with as many records, samples and modes, and with "
        "this training's step sizes: only what rises above it speaks of the network."
    ]
    if constant.any():
        notes.append(
            f"Weights that never moved, left out: {mean_std(constant, digits=0)}."
        )
    if carried:
        notes.append(
            f"Not modelled, carried from the last record: {', '.join(carried)}."
        )
    caption = "R² of each mode and of all weights, with the random-walk null."
    return Section(
        "Fit, and what chance gives",
        "\n\n".join(notes),
        [Figure(caption, figures.r_squared(by_mode, r_squared, null))],
        [
            Table(
                "Fit and null: averages over the weights, mean ± std (seeds)",
                ["", "training", "random-walk null"],
                rows,
            ),
            _mode_table(run),
        ],
    )


def _by_mode(seed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean R² of each mode's weights; NaN for a mode without any."""
    counts = seed["counts"]
    total = counts.sum(axis=0)
    weighted = (seed["r_squared"] * counts).sum(axis=0)
    return np.where(total > 0, weighted / np.maximum(total, 1), np.nan)


def _mode_table(run: _Run) -> Table:
    seed = run.arrays[0]
    total = seed["counts"].sum(axis=0)
    rows = [
        [mode, int(count), 100 * count / max(total.sum(), 1), str(name), float(fit)]
        for mode, (count, name, fit) in enumerate(
            zip(total, seed["reference_names"], _by_mode(seed), strict=True)
        )
    ]
    columns = ["mode", "weights", "share (%)", "reference weight", "mean R²"]
    return Table(f"Modes: those of seed {run.seeds[0]}", columns, rows)


def _matrix(run: _Run) -> Section:
    seed = run.arrays[0]
    image = figures.correlation(
        seed["correlation"].astype(np.float32), seed["sample_labels"]
    )
    caption = f"Signed correlation of {len(seed['sample_labels'])} sampled weights."
    return Section(
        "Correlation matrix",
        "Correlations over time of weights drawn from all layers, sorted by mode. "
        "Anti-correlated weights share a mode, with slopes of opposite sign.",
        [Figure(caption, image)],
    )


def _profiles(run: _Run) -> Section:
    seed = run.arrays[0]
    image = figures.profiles(
        seed["epochs"], seed["reference_history"], seed["counts"].sum(axis=0)
    )
    return Section(
        "Mode profiles",
        "The reference of a mode is one real weight of the network: the medoid, whose "
        "mean |correlation| with the mode's sampled members is the highest.",
        [Figure("Reference weights over time, standardised.", image)],
    )


def _spread(run: _Run) -> Section:
    seed = run.arrays[0]
    names = [str(name) for name in seed["leaf_names"]]
    rows = [
        [name, int(size), *(int(count) for count in counts)]
        for name, size, counts in zip(
            names, seed["leaf_sizes"], seed["counts"], strict=True
        )
    ]
    columns = ["leaf", "size", *(f"mode {m}" for m in range(seed["counts"].shape[1]))]
    return Section(
        "Modes by layer",
        "The paper finds every mode spread over all layers.",
        [
            Figure(
                "Share of each mode in each leaf.",
                figures.spread(seed["counts"], names),
            )
        ],
        [Table("Modes by leaf: numbers of weights that moved", columns, rows)],
    )


def _weights(run: _Run) -> Section:
    seed = run.arrays[0]
    image = figures.fits(
        seed["epochs"],
        seed["shown_history"],
        seed["shown_fit"],
        seed["shown_labels"],
        [str(name) for name in seed["shown_names"]],
    )
    return Section(
        "Some weights",
        "Weights spread over the sample, not chosen for their fit.",
        [Figure("Recorded weights and a r(t) + b.", image)],
    )


def _settings(run: _Run) -> Section:
    environment = run.environment
    rows = [
        ["configuration", f"{run.document['name']}, hash {run.document['hash']}"],
        ["dispatch of training steps", run.document["dispatch"]],
        ["records", int(run.results[0]["num_records"])],
        ["statistics of BatchNorm", run.results[0]["statistics"]],
        ["commit", environment["commit"] or "not in a git checkout"],
        ["processor", f"{environment['processor']}, {environment['cores']} cores"],
        ["devices", ", ".join(environment["devices"])],
        ["Python", environment["python"]],
        *([name, version] for name, version in environment["versions"].items()),
    ]
    config = json.dumps(run.document["config"], indent=2)
    indented = "\n".join("    " + line for line in config.splitlines())
    return Section(
        "Settings",
        f"The command:\n\n    {environment['command']}\n\nThe config:\n\n{indented}",
        tables=[Table("Environment: what the numbers depend on", ["", "value"], rows)],
    )
