"""The page of a transfer, over a run's finished pairs."""

import csv
import pathlib
from collections.abc import Mapping

import numpy as np

from cmd_jax import runs
from cmd_jax.report import METHODS, Figure, Section, Table, mean_std
from cmd_jax.transfer import figures
from experiments import study_page
from experiments.study_page import Content, FinishedRun
from experiments.transfer_measures import NUM_POINTS
from experiments.transfer_training import epochs_to_reach

_PAPER = pathlib.Path(__file__).resolve().parent.parent / "results" / "paper"
_TRANSFERS = ("naive", "gmt", "fgmt", "oracle")
_MATCHED = ("gmt", "fgmt")
_ENDS = {**METHODS, "rebasined": "Re-basined source"}


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished pairs of a run, and its tables beside it."""
    study_page.write(directory, _content)


def _content(run: FinishedRun) -> Content:
    pairs = _pairs(run)
    return Content(
        f"{run.document['name']}: a training trajectory on another initialisation",
        f"Pairs of seeds (target, source): "
        f"{', '.join(f'({seed}, {seed + 1})' for seed in pairs.seeds)}.",
        [
            _accuracy(pairs),
            *_training(pairs),
            _matching(pairs),
            *_assumption(pairs),
            _lines(pairs),
        ],
        [
            (f"test accuracy, {METHODS[method]} (%)", mean_std(_numbers(pairs, method)))
            for method in ("naive", "fgmt", "trained")
        ],
        [
            ("pairs", len(pairs.seeds)),
            ("statistics of BatchNorm", pairs.results[0]["statistics"]),
        ],
    )


def _pairs(run: FinishedRun) -> FinishedRun:
    """The targets alone, which hold the results of their pairs."""
    targets = [n for n, seed in enumerate(run.seeds) if seed % 2 == 0]
    seeds, results, arrays = (
        [values[n] for n in targets] for values in (run.seeds, run.results, run.arrays)
    )
    return run._replace(seeds=seeds, results=results, arrays=arrays)


def _numbers(pairs: FinishedRun, method: str) -> np.ndarray:
    """Test accuracies in per cent, at the step chosen on validation."""
    return 100 * np.array([result["accuracy"][method] for result in pairs.results])


def _metric(pairs: FinishedRun, metric: str, name: str) -> np.ndarray:
    return np.array([result["metrics"][metric][name] for result in pairs.results])


def _stacked(pairs: FinishedRun, name: str) -> np.ndarray:
    return np.stack([arrays[name] for arrays in pairs.arrays])


def _accuracy(pairs: FinishedRun) -> Section:
    curves = {METHODS[m]: _stacked(pairs, f"test_{m}") for m in _TRANSFERS}
    ratio = mean_std(_metric(pairs, "displacement_ratio", "source"), digits=3)
    paper = pairs.document["config"]["paper"]
    rows = [
        [
            METHODS[method],
            mean_std(_numbers(pairs, method)),
            mean_std(100 * _metric(pairs, "last_accuracy", method)),
            mean_std(_metric(pairs, "best_step", method), digits=1),
            mean_std(100 * _metric(pairs, "validation_accuracy", method)),
            paper.get(METHODS[method]),
            ratio,
        ]
        for method in _TRANSFERS
    ]
    rows += [
        [METHODS[n], mean_std(_numbers(pairs, n)), None, None, None, None, ratio]
        for n in ("scratch", "source", "trained")
    ]
    trained = _numbers(pairs, "trained").mean() / 100
    return Section(
        "Accuracy without training",
        "The source's displacements, permuted, are added to the target's "
        "initialisation, which is never trained. At step t all methods have added the "
        "share λ_t of the source's way, by the permutation of that step. Naive adds it "
        "as it is; Oracle knows the permutation that the target's real training asks "
        "for. The step to stop at is chosen on the validation split and reported on "
        "test. From scratch is the target trained on as many images as FGMT takes "
        "gradients of.\n\n"
        "How well Naive does depends on ‖Δ‖/‖θ⁰‖, the source's displacement as a share "
        "of its initial size: where it is large, the initialisation hardly matters. "
        "The paper's numbers are the peak over t on its validation split.\n\n"
        f"Statistics of BatchNorm: {pairs.results[0]['statistics']}.",
        [
            Figure(
                f"Test accuracy by step, {len(pairs.seeds)} pairs; the paper's curve "
                "dashed.",
                figures.accuracy(curves, _paper_curves(pairs), float(trained)),
            )
        ],
        [
            Table(
                "Accuracy: per cent of the test set, mean ± standard deviation (pairs)",
                [
                    *("method", "at the chosen step", "at the last step"),
                    *("chosen step", "validation, chosen step", "paper", "‖Δ‖/‖θ⁰‖"),
                ],
                rows,
            )
        ],
    )


def _paper_curves(pairs: FinishedRun) -> Mapping[str, figures.PaperCurve]:
    """The paper's accuracy by step, from `results/paper/`, where it has any."""
    path = _PAPER / f"{pairs.document['name']}.csv"
    curves: dict[str, tuple[list[float], list[float]]] = {}
    if path.exists():
        for row in csv.DictReader(path.read_text().splitlines()):
            steps, means = curves.setdefault(row["method"], ([], []))
            steps.append(float(row["step"]))
            means.append(float(row["mean"]))
    return curves


def _matching(pairs: FinishedRun) -> Section:
    first = pairs.arrays[0]
    num_steps = pairs.document["config"]["transfer"]["num_steps"]
    found = {
        METHODS[m]: [first[f"objective_{m}_{t}"] for t in range(1, num_steps + 1)]
        for m in _MATCHED
        if f"objective_{m}_1" in first
    }
    groups = pairs.results[0]["groups"]
    indented = "\n".join("    " + line for line in groups.splitlines())
    text = f"The groups of units that are permuted together:\n\n{indented}"
    if left_out := pairs.results[0]["left_out"]:
        text += f"\n\nNot carried over: {', '.join(left_out)}."
    if not found:
        return Section("Matching", text)
    rows = [
        [
            METHODS[m],
            mean_std(np.array([r["num_sweeps"][m] for r in pairs.results]), digits=1),
            "yes" if all(r["converged"][m] for r in pairs.results) else "no",
        ]
        for m in _MATCHED
    ]
    return Section(
        "Matching",
        f"{text}\n\nEach step's matching starts at the one before it; every group is "
        "solved exactly with the others held fixed, so the objective never falls.",
        [
            Figure(
                f"Objective by sweep at every step, seed {pairs.seeds[0]}.",
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


def _assumption(pairs: FinishedRun) -> list[Section]:
    """Nothing where only the two ends were recorded."""
    epochs = pairs.arrays[0]["record_epochs"]
    if len(epochs) < 2:
        return []
    curves = {METHODS[m]: _stacked(pairs, f"cosine_{m}") for m in ("naive", "oracle")}
    return [
        Section(
            "The assumption",
            "A transfer assumes that training moves both networks alike, up to one "
            "permutation: the cosine of the source's displacement from record to "
            "record, permuted as the Oracle does or not at all, with the target's.",
            [Figure("Cosine by epoch.", figures.assumption(epochs, curves))],
        )
    ]


def _lines(pairs: FinishedRun) -> Section:
    ends = [*_TRANSFERS, "source", "rebasined"]
    curves = {_ENDS[name]: _stacked(pairs, f"line_{name}") for name in ends}
    rows = [
        [_ENDS[name], mean_std(100 * _metric(pairs, "barrier", name))] for name in ends
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


def _training(pairs: FinishedRun) -> list[Section]:
    """Training after the transfer, where the config asks for it."""
    rate = pairs.document["config"]["transfer"]["follow_learning_rate"]
    if not rate:
        return []
    epochs = pairs.arrays[0]["standard_epochs"]
    standard = _stacked(pairs, "standard")
    followed = {m: _stacked(pairs, f"followed_{m}") for m in _TRANSFERS}
    rows = [["Standard", None, mean_std(100 * standard[:, -1]), None, None]]
    for method, values in followed.items():
        wanted = zip(values, standard[:, -1], strict=True)
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
                    rows,
                )
            ],
        )
    ]
