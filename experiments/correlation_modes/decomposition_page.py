"""The page's sections on the decomposition: fit and null, matrix, profiles, layers."""

from collections.abc import Mapping

import numpy as np

from cmd_jax.modes import figures
from cmd_jax.report import Figure, Section, Table, mean_std
from experiments.study_page import FinishedRun


def sections(run: FinishedRun) -> list[Section]:
    """The sections over the finished seeds; single modes and weights: the first's."""
    return [
        _fit_and_null(run),
        _matrix(run),
        _profiles(run),
        _spread(run),
        _weights(run),
    ]


def _fit_and_null(run: FinishedRun) -> Section:
    by_mode = np.stack([_by_mode(seed) for seed in run.arrays])
    r_squared, null = run.collect("r_squared"), run.collect("null_r_squared")
    caption = "R² of each mode and of all weights, with the random-walk null."
    return Section(
        "Fit, and what chance gives",
        "\n\n".join(_notes(run)),
        [Figure(caption, figures.r_squared(by_mode, r_squared, null))],
        [_fit_table(run), _mode_table(run)],
    )


def _notes(run: FinishedRun) -> list[str]:
    """What the null is, and which weights were left out."""
    notes = [
        "Unrelated random walks correlate too. The null is the whole pipeline on "
        "independent random walks with as many records, samples and modes, and with "
        "this training's step sizes: only what rises above it speaks of the network."
    ]
    constant = run.collect("num_constant")
    if constant.any():
        notes.append(
            f"Weights that never moved, left out: {mean_std(constant, digits=0)}."
        )
    asked = run.document["config"]["modes"]["num_samples"]
    sampled = [result.get("num_samples", asked) for result in run.results]
    if min(sampled) < asked:
        notes.append(
            f"Of the {asked} weights to sample fewer move: all of them were sampled, "
            f"{mean_std(np.array(sampled), digits=0)}."
        )
    if carried := run.results[0]["carried"]:
        notes.append(
            f"Not modelled, carried from the last record: {', '.join(carried)}."
        )
    return notes


def _fit_table(run: FinishedRun) -> Table:
    def cells(name: str) -> list[str]:
        values = (run.collect(name), run.collect(f"null_{name}"))
        return [mean_std(value, digits=3) for value in values]

    return Table(
        "Fit and null: averages over the weights, mean ± std (seeds)",
        ["", "training", "random-walk null"],
        [
            ["mean R²", *cells("r_squared")],
            ["mean |correlation|", *cells("correlation")],
        ],
    )


def _by_mode(seed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean R² of each mode's weights; NaN for a mode without any."""
    counts = seed["counts"]
    total = counts.sum(axis=0)
    weighted = (seed["r_squared"] * counts).sum(axis=0)
    return np.where(total > 0, weighted / np.maximum(total, 1), np.nan)


def _mode_table(run: FinishedRun) -> Table:
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


def _matrix(run: FinishedRun) -> Section:
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


def _profiles(run: FinishedRun) -> Section:
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


def _spread(run: FinishedRun) -> Section:
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


def _weights(run: FinishedRun) -> Section:
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
