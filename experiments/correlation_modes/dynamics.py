"""CMD beside DMD on the same records: how far off each is, and how it is tested.

Both have as many modes. DMD is fitted to all records and to the first half, from where
it goes on by its exponentials (the contrast of fig. 1 of the CMD paper).
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Float64, Int

from cmd_jax import baselines, modes
from cmd_jax.baselines import figures
from cmd_jax.report import Figure, Section, Table, mean_std
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.trajectory.blocks import modelled_leaves
from cmd_jax.trajectory.gram import gram_matrix
from cmd_jax.types import Params
from experiments.configured.setup import Setup
from experiments.correlation_modes import accuracy, analysis
from experiments.study_page import FinishedRun
from experiments.training.group import Trained

_NAMES = {
    "cmd": "CMD, all records",
    "dmd": "DMD, all records",
    "dmd_half": "DMD, first half",
}


def compare(
    setup: Setup,
    recorded: StoredTrajectory,
    decomposition: modes.Decomposition,
    trained: Trained,
    tested: Int[np.ndarray, " tested"],
) -> dict[str, np.ndarray]:
    """The arrays of the section; none where records are not at equal distances.

    Networks are tested where those of the landscape are: see `analysis`.
    """
    half = len(recorded) // 2
    num_modes = min(len(decomposition.references), half - 1)
    if len(set(np.diff(recorded.steps))) > 1 or num_modes < 1:
        return {}
    arrays = {
        "dynamics_modes": np.array(num_modes),
        "dynamics_half": np.array(recorded.steps[half - 1] / setup.steps_per_epoch),
        "error_cmd": _errors(
            lambda record: modes.reconstruct(decomposition, record=record),
            recorded,
            tested,
        ),
    }
    for name, fitted in (("dmd", recorded), ("dmd_half", recorded[:half])):
        found = baselines.fit_dynamic_modes(fitted, num_modes=num_modes)
        arrays[f"error_{name}"] = _errors(found.at, recorded, tested)
        if analysis.grid_side(setup):
            scores = accuracy.test(setup, trained, {name: found.at}, tested)
            arrays[f"accuracy_{name}"] = scores["accuracy"][name]
    return arrays


def _errors(
    source: Callable[[int], Params],
    recorded: StoredTrajectory,
    tested: Int[np.ndarray, " tested"],
) -> Float64[np.ndarray, " tested"]:
    """Distances from the records, over their root mean square distance to the mean."""
    leaves = modelled_leaves(recorded.template, None)
    scale = np.sqrt(np.trace(gram_matrix(recorded, leaves)) / len(recorded))
    distances = [_distance(source(int(n)), recorded[int(n)]) for n in tested]
    return np.array(distances) / scale


def _distance(first: Params, second: Params) -> float:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return float(
        np.sqrt(sum(np.sum((np.asarray(a, np.float64) - b) ** 2) for a, b in pairs))
    )


def section(run: FinishedRun) -> Section:
    """The section over the finished seeds."""
    title, first = "CMD beside DMD", run.arrays[0]
    if "error_dmd" not in first:
        return Section(
            title,
            "Not shown for this run: Dynamic Mode Decomposition needs at least 4 "
            "records at equal distances.",
        )
    epochs, half = first["evaluated_epochs"], float(first["dynamics_half"])
    errors, scores = (
        {
            label: np.stack([seed[f"{kind}_{name}"] for seed in run.arrays])
            for name, label in _NAMES.items()
            if f"{kind}_{name}" in first
        }
        for kind in ("error", "accuracy")
    )
    network = "embedded" if "accuracy_embedded" in first else "sgd"
    if len(scores) == len(_NAMES):
        training = np.stack([seed[f"accuracy_{network}"] for seed in run.arrays])
        scores = {"the training": training, **scores}
    else:
        scores = {}
    return Section(
        title,
        "Dynamic Mode Decomposition maps each record linearly to the next, in "
        f"{int(first['dynamics_modes'])} directions: every weight is a sum of as many "
        "exponentials of time. CMD needs the reference weights at each record, and "
        "says nothing about later ones; the figure of the paper contrasts the two.",
        [
            Figure(
                f"Distance from the records, and test accuracy; the first half of the "
                f"records ends at epoch {half:g}.",
                figures.dynamics(epochs, errors, scores, half),
            )
        ],
        [_table(errors, scores)],
    )


def _table(errors: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray]) -> Table:
    rows = [
        [
            name,
            mean_std(errors[name][:, -1], digits=3) if name in errors else None,
            mean_std(100 * scores[name][:, -1]) if name in scores else None,
        ]
        for name in dict.fromkeys([*scores, *errors])
    ]
    return Table(
        "Dynamics: the last record, mean ± std (seeds); distances are relative to the "
        "records' own spread",
        ["", "distance from the record", "test accuracy (%)"],
        rows,
    )
