"""The page of a transfer, over a run's finished pairs."""

import csv
import pathlib
from collections.abc import Mapping

from cmd_jax import runs
from cmd_jax.report import METHODS, Figure, Section, Table, mean_std
from cmd_jax.transfer import figures
from experiments import study_page
from experiments.study_page import Content, FinishedRun
from experiments.transfer import sections
from experiments.transfer.pairs import TRANSFERS, FinishedPairs, pairs_of

_PAPER = pathlib.Path(__file__).resolve().parents[2] / "results" / "paper"

_METHOD = (
    "The source's displacements, permuted, are added to the target's initialisation, "
    "which is never trained. At step t all methods have added the share λ_t of the "
    "source's way, by the permutation of that step. Naive adds it as it is; Oracle "
    "knows the permutation that the target's real training asks for. The step to stop "
    "at is chosen on the validation split and reported on test. From scratch is the "
    "target trained on as many images as FGMT takes gradients of.\n\n"
    "How well Naive does depends on ‖Δ‖/‖θ⁰‖, the source's displacement as a share of "
    "its initial size: where it is large, the initialisation hardly matters. The "
    "paper's numbers are the peak over t on its validation split."
)


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished pairs of a run, and its tables beside it."""
    study_page.write(directory, _content)


def _content(run: FinishedRun) -> Content:
    pairs = pairs_of(run)
    return Content(
        f"{run.document['name']}: a training trajectory on another initialisation",
        f"Pairs of seeds (target, source): "
        f"{', '.join(f'({seed}, {seed + 1})' for seed in pairs.run.seeds)}.",
        [
            _accuracy(pairs),
            *sections.training(pairs),
            sections.ensembles(pairs),
            sections.matching(pairs),
            *sections.assumption(pairs),
            sections.lines(pairs),
        ],
        [
            (f"test accuracy, {METHODS[method]} (%)", mean_std(pairs.accuracy(method)))
            for method in ("naive", "fgmt", "trained")
        ],
        [
            ("pairs", len(pairs.run.seeds)),
            ("statistics of BatchNorm", pairs.run.results[0]["statistics"]),
        ],
    )


def _accuracy(pairs: FinishedPairs) -> Section:
    curves = {METHODS[m]: pairs.stacked(f"test_{m}") for m in TRANSFERS}
    trained = float(pairs.accuracy("trained").mean()) / 100
    return Section(
        "Accuracy without training",
        f"{_METHOD}\n\nStatistics of BatchNorm: {pairs.run.results[0]['statistics']}.",
        [
            Figure(
                f"Test accuracy by step, {len(pairs.run.seeds)} pairs.",
                figures.accuracy(
                    curves, paper_curves(pairs.run.document["name"]), trained
                ),
            )
        ],
        [
            Table(
                "Accuracy: per cent of the test set, mean ± standard deviation (pairs)",
                [
                    *("method", "at the chosen step", "at the last step"),
                    *("chosen step", "validation, chosen step", "paper", "‖Δ‖/‖θ⁰‖"),
                ],
                _accuracy_rows(pairs),
            )
        ],
    )


def _accuracy_rows(pairs: FinishedPairs) -> list[list[str | None]]:
    ratio = mean_std(pairs.metric("displacement_ratio", "source"), digits=3)
    paper = pairs.run.document["config"]["paper"]
    transfers = [
        [
            METHODS[method],
            mean_std(pairs.accuracy(method)),
            mean_std(100 * pairs.metric("last_accuracy", method)),
            mean_std(pairs.metric("best_step", method), digits=1),
            mean_std(100 * pairs.metric("validation_accuracy", method)),
            paper.get(METHODS[method]),
            ratio,
        ]
        for method in TRANSFERS
    ]
    others = [
        [METHODS[name], mean_std(pairs.accuracy(name)), *[None] * 4, ratio]
        for name in ("scratch", "source", "trained")
    ]
    return transfers + others


def paper_curves(config: str) -> Mapping[str, figures.PaperCurve]:
    """The paper's accuracy by step, from `results/paper/`, where it has that config."""
    path = _PAPER / f"{config}.csv"
    curves: dict[str, tuple[list[float], list[float]]] = {}
    if path.exists():
        for row in csv.DictReader(path.read_text().splitlines()):
            steps, means = curves.setdefault(row["method"], ([], []))
            steps.append(float(row["step"]))
            means.append(float(row["mean"]))
    return curves
