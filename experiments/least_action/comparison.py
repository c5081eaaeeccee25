"""LAP over many runs: variants side by side, energy and size against accuracy.

The sections that `scripts/make_report.py` shows for runs of the study `least_action`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from cmd_jax.least_action import figures
from cmd_jax.report import Cell, Figure, Section, Table, mean_std, student_interval
from experiments.least_action.page import (
    CHOICES,
    MEASURES,
    accuracies,
    interval,
    measured,
)
from experiments.study_page import FinishedRun

_SHORT = {
    "kinetic_energy": "kinetic energy",
    "path_length": "path length",
    "geodesic_index": "geodesic index",
    "assignment_gap": "assignment gap",
    "multiplier": "multiplier",
}


def sections(found: Mapping[str, FinishedRun]) -> list[Section]:
    """The sections over some runs.

    Args:
      found: the runs by the label to show, in the order to show them.
    """
    return [
        _accuracy(found),
        _flow(found),
        _low_energy(found),
        *_by_size(found),
    ]


def _accuracy(found: Mapping[str, FinishedRun]) -> Section:
    rows = [
        [
            label,
            _size(run) or None,
            CHOICES[choice],
            mean_std(100 * values),
            interval(values),
            run.document["config"]["paper"].get(CHOICES[choice]),
        ]
        for label, run in found.items()
        for choice in CHOICES
        if (values := accuracies(run, choice)).size
    ]
    columns = ["run", "training images", "tested", "test accuracy (%)"]
    columns += ["95 % interval of the mean", "paper (%)"]
    return Section(
        "Accuracy",
        "A cell that nobody measured is empty. The epoch is chosen on a split of the "
        "training data that is not trained on, never on the test set.",
        tables=[
            Table(
                "Test accuracy: per cent, mean ± standard deviation (seeds)",
                columns,
                rows,
            )
        ],
    )


def _flow(found: Mapping[str, FinishedRun]) -> Section:
    names = [
        name for name in MEASURES if any(measured(r, name).size for r in found.values())
    ]
    rows: list[list[Cell]] = [
        [label, *(_median(measured(run, name)) for name in names)]
        for label, run in found.items()
    ]
    panels = {
        "energy E‖v‖² of each block": {
            label: np.stack([seed["energy"] for seed in run.arrays])
            for label, run in found.items()
        }
    }
    return Section(
        "The flow",
        "Medians over the seeds, with the quartiles. Features are summed. A geodesic "
        "index of 1 means straight paths at constant speed, an assignment gap of 1 "
        "that no other pairing of the points would be cheaper.",
        [Figure("Energy by block, in data order.", figures.by_block(panels))],
        [
            Table(
                "Flow: median (quartiles) over the seeds, at the last epoch",
                ["run", *(_SHORT[name] for name in names)],
                rows,
            )
        ],
    )


def _median(values: np.ndarray) -> str | None:
    if not values.size:
        return None
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.4g} ({low:.4g} – {high:.4g})"


def _low_energy(found: Mapping[str, FinishedRun]) -> Section:
    dots = {
        label: (measured(run, "kinetic_energy"), accuracies(run, "last"))
        for label, run in found.items()
    }
    return Section(
        "Low energy",
        "Every dot is a seed at its last epoch. Runs of different networks have "
        "different energies: compare dots of one kind.",
        [
            Figure(
                "Test accuracy against the kinetic energy of the trained network.",
                figures.accuracy_by_energy(dots),
            )
        ],
    )


def _by_size(found: Mapping[str, FinishedRun]) -> list[Section]:
    """Accuracy by the size of the training set, for variants with several sizes."""
    variants: dict[str, list[FinishedRun]] = {}
    for run in sorted(found.values(), key=_size):
        variant = run.document["config"]["least_action"]["variant"]
        variants.setdefault(variant, []).append(run)
    lines = {
        variant: runs
        for variant, runs in variants.items()
        if len(set(map(_size, runs))) > 1
    }
    if not lines:
        return []
    parts = {variant: _line(runs) for variant, runs in lines.items()}
    return [
        Section(
            "Training sets",
            "Every seed has drawn its own training images.",
            [
                Figure(
                    "Test accuracy at the last epoch by the number of training "
                    "images; bars are 95 % intervals of the mean.",
                    figures.accuracy_by_size(parts),
                )
            ],
        )
    ]


def _line(
    runs: Sequence[FinishedRun],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, mean accuracies and intervals; a single seed has none."""
    values = [accuracies(run, "last") for run in runs]
    intervals = [student_interval(v) if len(v) > 1 else (v[0], v[0]) for v in values]
    sizes = np.array([_size(run) for run in runs])
    return sizes, np.array([v.mean() for v in values]), np.array(intervals)


def _size(run: FinishedRun) -> int:
    """Examples of a seed's own training set; 0 for the whole one."""
    return run.document["config"]["least_action"]["num_train"]
