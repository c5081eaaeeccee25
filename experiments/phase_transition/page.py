"""The page of a phase diagram: its points, then its neighbours and the thresholds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cmd_jax import runs
from cmd_jax.phase_transition import Diagram, figures
from cmd_jax.report import Cell, Figure, Section, Table
from experiments import study_page
from experiments.phase_transition import neighbours, sgd_page
from experiments.phase_transition.neighbours import diagram_of, label_of
from experiments.study_page import Content, FinishedRun

_RECONSTRUCTION = (
    "The models are a reconstruction from the abstract of the paper (Marino and "
    "Ricci-Tersenghi, arXiv 2305.06435); its own definitions, sizes and figures were "
    "not available, and no number here is one of the paper's."
)
_NO_ORDER_PARAMETER = (
    "With one output and inputs that hidden units share, different weights may be the "
    "same function: zero error occurs at an overlap of about 0.4 to 0.66 for d = 3. "
    "The overlap is no order parameter here."
)


def write(directory: runs.RunDirectory) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it."""
    study_page.write(directory, lambda run: _content(run, directory))


def _content(run: FinishedRun, directory: runs.RunDirectory) -> Content:
    diagram = diagram_of(run)
    beside = neighbours.find_beside(run, directory)
    threshold = neighbours.success_threshold(diagram)
    return Content(
        title=f"{run.document['name']}: {label_of(run)}",
        subtitle=f"Seeds {', '.join(map(str, run.seeds))}.",
        sections=[
            _points(run, diagram),
            *sgd_page.sections(run, diagram),
            *([neighbours.neighbours(beside)] if len(beside) > 1 else []),
            neighbours.thresholds(beside),
        ],
        highlights=[("m_c, P₀ = ½", neighbours.interval(threshold))],
    )


def _points(run: FinishedRun, diagram: Diagram) -> Section:
    model = run.document["config"]["model"]
    budget = run.document["config"]["phase_transition"]
    text = [
        f"Model `{model['name']}`, {label_of(run)}; {_learned(model)} A replica is "
        f"tested on fresh patterns every {budget['test_every']} of at most "
        f"{budget['num_sweeps']:,} sweeps; P₀ is the share that has passed a test, and "
        "depends on how often is tested. By first passage the error of a replica that "
        "passed is 0, that of another the one of the last test.",
        _RECONSTRUCTION,
    ]
    if budget["stationary"]:
        text.append(
            "All replicas were trained to the end: the stationary error is the mean of "
            "the tests in the second half of the sweeps."
        )
    if model["name"] == "committee_discrete" and model.get("graph") == "regular":
        text.append(_NO_ORDER_PARAMETER)
    label = {label_of(run): diagram}
    return Section(
        "The diagram",
        "\n\n".join(text),
        [
            Figure("Error by first passage.", figures.errors(label)),
            Figure("Share of replicas that pass, P₀.", figures.success(label)),
        ],
        [point_table(diagram)],
    )


def _learned(model: Mapping[str, Any]) -> str:
    """Which layers were learned, in words."""
    if model["name"] == "committee_discrete":
        return "the second layer is given."
    if not model.get("learn_second", True):
        return "the second layer is the teacher's."
    return "both layers are learned."


def point_table(diagram: Diagram) -> Table:
    """A row a mini-batch size, with standard errors over the replicas."""
    spread = np.sqrt(diagram.error.shape[1])

    def mean_error(values: np.ndarray) -> list[Cell]:
        if not np.isfinite(values).all():
            return [None, None]
        error = values.std(ddof=1) / spread if len(values) > 1 else np.nan
        return [float(values.mean()), float(error) if np.isfinite(error) else None]

    rows: list[Sequence[Cell]] = [
        [
            int(size),
            *mean_error(diagram.error[point]),
            *mean_error(diagram.stationary_error[point]),
            float(diagram.success[point]),
            float(diagram.susceptibility[point])
            if diagram.error.shape[1] > 1
            else None,
            *mean_error(diagram.overlap[point]),
            float(diagram.num_sweeps[point].mean()),
            diagram.error.shape[1],
        ]
        for point, size in enumerate(diagram.batch_sizes)
    ]
    return Table(
        "Points: means over the replicas and their standard errors (SE)",
        [
            "m",
            *("error", "SE"),
            *("stationary error", "SE"),
            "P₀",
            "susceptibility",
            *("overlap", "SE"),
            "mean sweeps",
            "replicas",
        ],
        rows,
    )
