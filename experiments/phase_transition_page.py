"""The page of a phase diagram: its points, its threshold, and its neighbours.

Neighbours are the other finished runs of the config in the same folder: other sizes,
connectivities and starts of its sweep. The last run of a sweep shows them all.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from cmd_jax import phase_transition, runs
from cmd_jax.phase_transition import Diagram, Threshold, figures
from cmd_jax.report import Cell, Figure, Section, Table
from experiments import sgd_page, study_page
from experiments.study_page import Content, FinishedRun

COLUMNS = ("error", "stationary_error", "passed", "num_sweeps", "overlap")
Labelled = tuple[str, FinishedRun, Diagram]

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
    beside = _beside(run, directory)
    threshold = _success(diagram)
    return Content(
        title=f"{run.document['name']}: {_label(run)}",
        subtitle=f"Seeds {', '.join(map(str, run.seeds))}.",
        sections=[
            _points(run, diagram),
            *sgd_page.sections(run, diagram),
            *([_neighbours(beside)] if len(beside) > 1 else []),
            _thresholds(beside),
        ],
        highlights=[("m_c, P₀ = ½", _shown(threshold))],
    )


def diagram_of(run: FinishedRun) -> Diagram:
    """The diagram over the finished seeds of a run."""
    columns = {
        name: np.stack([x[name] for x in run.arrays], axis=1) for name in COLUMNS
    }
    first = run.results[0]
    return Diagram(
        batch_sizes=run.arrays[0]["batch_sizes"],
        num_units=first["num_units"],
        degree=first["degree"],
        start=first["start"],
        **columns,
    )


def _beside(run: FinishedRun, directory: runs.RunDirectory) -> list[Labelled]:
    """This run and the other finished ones of its config, by d, N and start."""
    found = [(_label(run), run, diagram_of(run))]
    for path in directory.root.parent.glob(f"{run.document['name']}-*"):
        other = runs.RunDirectory(path)
        if path != directory.root and other.report.exists() and other.finished_seeds():
            read = study_page.read(other)
            found.append((_label(read), read, diagram_of(read)))
    found.sort(key=lambda x: (x[2].degree, x[2].num_units, x[2].start, x[0]))
    return found


def _label(run: FinishedRun) -> str:
    """A model in a few words."""
    options = dict(run.document["config"]["model"])
    del options["name"]
    first = run.results[0]
    words = [f"N = {first['num_units']}", f"d = {first['degree']}"]
    if options.pop("start", "random") == "teacher":
        words.append("from the teacher")
    known = ("num_units", "num_hidden", "degree")
    words += [f"{k} {_text(v)}" for k, v in options.items() if k not in known]
    return ", ".join(words)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _points(run: FinishedRun, diagram: Diagram) -> Section:
    model = run.document["config"]["model"]
    budget = run.document["config"]["phase_transition"]
    text = [
        f"Model `{model['name']}`, {_label(run)}; {_learned(model)} A replica is "
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
    label = {_label(run): diagram}
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


def _neighbours(beside: Sequence[Labelled]) -> Section:
    """Figures over the runs of the config: sizes, connectivities, branches."""
    random = [x for x in beside if x[2].start == "random"]
    by_label = {label: diagram for label, _, diagram in random}
    shown = [
        Figure("Error by first passage.", figures.errors(by_label)),
        Figure("Share of replicas that pass, P₀.", figures.success(by_label)),
    ]
    pairs = branches(beside)
    if pairs:
        caption = "Branches from random weights and from the teacher."
        shown.append(Figure(caption, figures.hysteresis(pairs)))
    for xlabel, value in (
        ("connectivity d", lambda diagram: diagram.degree),
        ("number of inputs N", lambda diagram: diagram.num_units),
    ):
        shown += _threshold_figure(random, xlabel, value)
    return Section(
        "Beside the other runs",
        f"The {len(beside)} finished runs of this config in the same folder.",
        shown,
    )


def branches(beside: Sequence[Labelled]) -> dict[str, tuple[Diagram, Diagram]]:
    """The pairs of runs that differ in their start only, by the label of the first."""
    teacher = {
        label.replace(", from the teacher", ""): diagram
        for label, _, diagram in beside
        if diagram.start == "teacher"
    }
    return {
        label: (diagram, teacher[label])
        for label, _, diagram in beside
        if diagram.start == "random" and label in teacher
    }


def _threshold_figure(
    random: Sequence[Labelled], xlabel: str, value: Callable[[Diagram], int]
) -> list[Figure]:
    """m_c against what varies, in the runs that differ in nothing else; if any do."""
    groups: dict[str, list[Labelled]] = {}
    for one in random:
        rest = one[0].replace(f"{xlabel[-1]} = {value(one[2])}", "")
        groups.setdefault(rest.strip(", "), []).append(one)
    group = max(groups.values(), key=len)
    x = [value(diagram) for _, _, diagram in group]
    if len(set(x)) < 2:
        return []
    found = [_success(diagram) for _, _, diagram in group]
    image = figures.thresholds(np.array(x), {"P₀ = ½": found}, xlabel=xlabel)
    return [Figure(f"Critical mini-batch size against the {xlabel}.", image)]


def _success(diagram: Diagram) -> Threshold:
    return phase_transition.success_threshold(diagram, key=jax.random.key(0))


def _thresholds(beside: Sequence[Labelled]) -> Section:
    key, pairs = jax.random.key(0), branches(beside)
    rows: list[Sequence[Cell]] = []
    for label, run, diagram in beside:
        at_level = phase_transition.error_threshold(diagram, key=key)
        peak: Cell = None
        if diagram.error.shape[1] > 1:
            found = phase_transition.susceptibility_peak(diagram, key=key)
            peak = int(found.estimate)
        if label in pairs and diagram.error.shape[1] > 1:
            hysteresis = phase_transition.compare_branches(*pairs[label])
        else:
            hysteresis = None
        verdict = phase_transition.judge_order(diagram, hysteresis)
        rows.append(
            [
                label,
                _shown(_success(diagram)),
                _shown(at_level),
                peak,
                _perfect(run, diagram),
                verdict.order if diagram.start == "random" else None,
                verdict.evidence if diagram.start == "random" else None,
                run.document["config"]["phase_transition"]["num_sweeps"],
            ]
        )
    return Section(
        "Thresholds",
        "m_c by three observables, each with a bootstrap interval of 95 % over the "
        "replicas: the crossing P₀ = ½ of a logistic fit, for transitions of first "
        "order; where the mean error falls below ¼, and the peak of the susceptibility "
        "N Var ε, for continuous ones, at which P₀ = ½ drifts with ln N. m_perfect is "
        "ln(2Nd) / -ln(1 - ε₁), below which a single wrong weight may stay unseen.",
        tables=[
            Table(
                "Thresholds: critical mini-batch sizes",
                [
                    "model",
                    "P₀ = ½",
                    "ε = ¼",
                    "susceptibility peak",
                    "m_perfect",
                    "order",
                    "evidence",
                    "sweeps",
                ],
                rows,
            )
        ],
    )


def _shown(threshold: Threshold) -> str:
    """An estimate with its interval, or the side on which it lies."""
    if np.isfinite(threshold.estimate):
        return f"{threshold.estimate:.2f} ({threshold.low:.2f} – {threshold.high:.2f})"
    if np.isfinite(threshold.below):
        return f"> {threshold.below:g}"
    return f"< {threshold.above:g}"


def _perfect(run: FinishedRun, diagram: Diagram) -> float | None:
    """The closed form, for the model that it is about."""
    model = run.document["config"]["model"]
    if model["name"] != "sparse_discrete":
        return None
    return phase_transition.perfect_batch_size(diagram.num_units, diagram.degree)
