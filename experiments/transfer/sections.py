"""Sections of a transfer's page: training on, ensembles, matching, barriers."""

from collections.abc import Mapping

import numpy as np

from cmd_jax.report import METHODS, Cell, Figure, Section, Table, mean_std
from cmd_jax.transfer import figures
from experiments.transfer.further_training import epochs_to_reach
from experiments.transfer.measures import NUM_POINTS
from experiments.transfer.pairs import TRANSFERS, FinishedPairs

_MATCHED = ("gmt", "fgmt")
_ENDS = {**METHODS, "rebasined": "Re-basined source"}


def training(pairs: FinishedPairs) -> list[Section]:
    """Training after the transfer, where the config asks for it."""
    rate = pairs.run.document["config"]["transfer"]["follow_learning_rate"]
    if not rate:
        return []
    epochs = pairs.run.arrays[0]["standard_epochs"]
    standard = pairs.stacked("standard")
    followed = {m: pairs.stacked(f"followed_{m}") for m in TRANSFERS}
    return [
        Section(
            "Training after the transfer",
            "From the step that validation has chosen, each network is trained for as "
            f"many epochs as the source, with learning rate {rate:g}. Standard is the "
            "target's own training from its random initialisation.",
            [
                Figure(
                    "Test accuracy by epoch.",
                    figures.training(
                        (epochs, standard),
                        {METHODS[m]: values for m, values in followed.items()},
                    ),
                )
            ],
            [
                Table(
                    "Training after the transfer: test accuracy (%), and the epochs "
                    "that reach what Standard ends with, mean ± standard deviation "
                    "(pairs that reach it)",
                    [
                        *("method", "after one epoch", "at the end"),
                        *("epochs to Standard's end", "pairs that never reach it"),
                    ],
                    _training_rows(followed, epochs, standard),
                )
            ],
        )
    ]


def _training_rows(
    followed: Mapping[str, np.ndarray], epochs: np.ndarray, standard: np.ndarray
) -> list[list[Cell]]:
    first, last = standard[:, epochs == 1], standard[:, -1]
    plain = [mean_std(100 * values) for values in (first, last)]
    rows: list[list[Cell]] = [["Standard", *plain, None, None]]
    for method, values in followed.items():
        wanted = zip(values, last, strict=True)
        reached = [epochs_to_reach(curve, final) for curve, final in wanted]
        rows.append(
            [
                METHODS[method],
                mean_std(100 * values[:, 1]),
                mean_std(100 * values[:, -1]),
                mean_std([n for n in reached if n is not None], digits=1),
                reached.count(None),
            ]
        )
    return rows


def ensembles(pairs: FinishedPairs) -> Section:
    """The trained source together with each network."""
    return Section(
        "Ensembles",
        "The mean of two networks' probabilities: the trained source's, and those of "
        "what each method makes of the target, at the step that validation has chosen "
        "and after training from there. Trained is the target's own training: the "
        "ensemble of two networks that were trained independently.",
        [],
        [
            Table(
                "Ensembles with the source: test accuracy (%), mean ± standard "
                "deviation (pairs)",
                ["with", "without training", "after training"],
                [
                    ["itself", mean_std(pairs.accuracy("source")), None],
                    *(_ensemble_row(pairs, name) for name in (*TRANSFERS, "trained")),
                ],
            )
        ],
    )


def _ensemble_row(pairs: FinishedPairs, name: str) -> list[Cell]:
    cells: list[Cell] = []
    for metric in ("ensemble_accuracy", "followed_ensemble_accuracy"):
        given = pairs.has(metric, name)
        cells.append(mean_std(100 * pairs.metric(metric, name)) if given else None)
    return [METHODS[name], *cells]


def matching(pairs: FinishedPairs) -> Section:
    """The groups, and how their permutations were found."""
    run, first = pairs.run, pairs.run.arrays[0]
    num_steps = run.document["config"]["transfer"]["num_steps"]
    found = {
        METHODS[m]: [first[f"objective_{m}_{t}"] for t in range(1, num_steps + 1)]
        for m in _MATCHED
        if f"objective_{m}_1" in first
    }
    groups = run.results[0]["groups"]
    indented = "\n".join("    " + line for line in groups.splitlines())
    text = f"The groups of units that are permuted together:\n\n{indented}"
    if left_out := run.results[0]["left_out"]:
        text += f"\n\nNot carried over: {', '.join(left_out)}."
    if not found:
        return Section("Matching", text)
    rows = [
        [
            METHODS[m],
            mean_std(np.array([r["num_sweeps"][m] for r in run.results]), digits=1),
            "yes" if all(r["converged"][m] for r in run.results) else "no",
        ]
        for m in _MATCHED
    ]
    return Section(
        "Matching",
        f"{text}\n\nEach step's matching starts at the one before it; every group is "
        "solved exactly with the others held fixed, so the objective never falls.",
        [
            Figure(
                f"Objective by sweep at every step, seed {run.seeds[0]}.",
                figures.objective(found),
            )
        ],
        [
            Table(
                "Matching: sweeps of a step, mean ± standard deviation (steps of all "
                "pairs)",
                ["method", "sweeps", "converged at every step"],
                rows,
            )
        ],
    )


def assumption(pairs: FinishedPairs) -> list[Section]:
    """Nothing where only the two ends were recorded."""
    epochs = pairs.run.arrays[0]["record_epochs"]
    if len(epochs) < 2:
        return []
    curves = {METHODS[m]: pairs.stacked(f"cosine_{m}") for m in ("naive", "oracle")}
    return [
        Section(
            "The assumption",
            "A transfer assumes that training moves both networks alike, up to one "
            "permutation: the cosine of the source's displacement from record to "
            "record, permuted as the Oracle does or not at all, with the target's.",
            [Figure("Cosine by epoch.", figures.assumption(epochs, curves))],
        )
    ]


def lines(pairs: FinishedPairs) -> Section:
    """Accuracy on the lines to the trained target, and the barriers."""
    ends = [*TRANSFERS, "source", "rebasined"]
    curves = {_ENDS[name]: pairs.stacked(f"line_{name}") for name in ends}
    rows = [
        [_ENDS[name], mean_std(100 * pairs.metric("barrier", name))] for name in ends
    ]
    return Section(
        "On the way to the trained target",
        "Networks on the straight lines from the transferred ones (at the last step) "
        "to the target after real training; from the trained source as it is, and "
        "re-basined: permuted so that its weights come closest to those of the trained "
        "target.",
        [
            Figure(
                "Test accuracy along the lines.",
                figures.lines(np.linspace(0, 1, NUM_POINTS), curves),
            )
        ],
        [
            Table(
                f"Barriers: mean of the two ends minus the minimum on {NUM_POINTS} "
                "points, in points of test accuracy, mean ± standard deviation (pairs)",
                ["from", "barrier"],
                rows,
            )
        ],
    )
