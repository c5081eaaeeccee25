"""What a diagram of SGD has beside its points: its ends, and the teacher's stability.

The threshold stands beside the closed form of one linear unit, beside the gradient
noise scale, and beside the growth of a small perturbation of the teacher.
"""

from collections.abc import Sequence

import jax
import numpy as np

from cmd_jax import phase_transition
from cmd_jax.phase_transition import ContinuousModel, Diagram
from cmd_jax.report import Cell, Section, Table, mean_std
from experiments.study_page import FinishedRun

_OUTCOMES = ("diverges", "plateau", "converges")


def measure(
    model: phase_transition.Model, diagram: Diagram, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """What SGD is asked beside its sweep, [points, seeds]; nothing of greedy learning.

    Args:
      model: of the diagram.
      diagram: whose batch sizes are asked about.
      seeds: of the diagram.
    """
    if not isinstance(model, ContinuousModel):
        return {}
    keys = [jax.random.key(seed) for seed in seeds]
    sizes = diagram.batch_sizes.tolist()
    growth = phase_transition.perturbation_growth(model, batch_sizes=sizes, seeds=keys)
    scale = phase_transition.noise_scale_near_teacher(model, seeds=keys)
    return {"growth": growth, "noise_scale": np.tile(scale, (len(sizes), 1))}


def sections(run: FinishedRun, diagram: Diagram) -> list[Section]:
    """The section of a run of SGD; none of greedy learning."""
    if "growth" not in run.arrays[0]:
        return []
    growth = np.stack([seed["growth"] for seed in run.arrays], axis=1)
    scale = np.array([seed["noise_scale"][0] for seed in run.arrays])
    return [
        Section(
            "SGD and the stability of its teacher",
            "A sweep is one step of SGD on a fresh batch. A replica converges when its "
            "relative mean squared error falls below 1e-3, diverges when it ends above "
            "100, and else stays on a plateau. The growth is the mean logarithm by "
            "which an infinitesimal perturbation of the teacher grows in a step: where "
            "it is negative SGD comes back to the teacher. A threshold is the last "
            "batch size that fails and the next one.",
            tables=[_ends(diagram, growth), _brackets(run, diagram, growth, scale)],
        )
    ]


def _ends(diagram: Diagram, growth: np.ndarray) -> Table:
    ends = phase_transition.outcomes(diagram)
    rows: list[Sequence[Cell]] = [
        [
            int(size),
            *(int((ends[point] == name).sum()) for name in _OUTCOMES),
            mean_std(growth[point], digits=4),
        ]
        for point, size in enumerate(diagram.batch_sizes)
    ]
    return Table(
        "Ends: how many replicas diverge, stay and converge, and the growth of a "
        "perturbation of the teacher, mean ± standard deviation (seeds)",
        ["m", *_OUTCOMES, "growth a step"],
        rows,
    )


def _brackets(
    run: FinishedRun, diagram: Diagram, growth: np.ndarray, scale: np.ndarray
) -> Table:
    model = run.document["config"]["model"]
    dense = model["name"] == "dense_continuous"
    fan_in, rate = model["num_units" if dense else "degree"], model["learning_rate"]
    linear = phase_transition.linear_unit_batch_size(fan_in, rate)
    noise = phase_transition.critical_batch_size(float(scale.mean()), rate)
    rows: list[Sequence[Cell]] = [
        ["training: P₀ = ½", bracket(diagram, diagram.success < 0.5)],
        ["growth of a perturbation", bracket(diagram, growth.mean(axis=1) > 0)],
        [f"one linear unit, η ({fan_in} - 1) / (2 - η)", f"{linear:.2f}"],
        [f"noise scale B = {scale.mean():.1f}, η B / (2 - η)", f"{noise:.2f}"],
    ]
    return Table("SGD thresholds: critical mini-batch size", ["by", "m_c"], rows)


def bracket(diagram: Diagram, fails: np.ndarray) -> str:
    """The last batch size that fails and the next one, as "3 → 4"."""
    sizes, failing = diagram.batch_sizes, np.flatnonzero(fails)
    if not failing.size:
        return f"< {sizes[0]}"
    last = failing[-1]
    return (
        f"{sizes[last]} → {sizes[last + 1]}"
        if last + 1 < len(sizes)
        else f"> {sizes[last]}"
    )
