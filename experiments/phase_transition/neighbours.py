"""A phase diagram beside the others of its config, and the thresholds of all of them.

Neighbours are the other finished runs of the config in the same folder: other sizes,
connectivities and starts of its sweep. The last run of a sweep shows them all.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from cmd_jax import phase_transition, runs
from cmd_jax.phase_transition import Diagram, Threshold, figures
from cmd_jax.report import Cell, Figure, Section, Table
from experiments import study_page
from experiments.study_page import FinishedRun

COLUMNS = ("error", "stationary_error", "passed", "num_sweeps", "overlap")
Labelled = tuple[str, FinishedRun, Diagram]


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


def find_beside(run: FinishedRun, directory: runs.RunDirectory) -> list[Labelled]:
    """This run and the other finished ones of its config, by d, N and start."""
    found = [(label_of(run), run, diagram_of(run))]
    for path in directory.root.parent.glob(f"{run.document['name']}-*"):
        other = runs.RunDirectory(path)
        if path != directory.root and other.report.exists() and other.finished_seeds():
            read = study_page.read(other)
            found.append((label_of(read), read, diagram_of(read)))
    found.sort(key=lambda x: (x[2].degree, x[2].num_units, x[2].start, x[0]))
    return found


def label_of(run: FinishedRun) -> str:
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


def neighbours(beside: Sequence[Labelled]) -> Section:
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
    for xlabel, value, options in (
        ("connectivity d", lambda diagram: diagram.degree, ["degree"]),
        (
            "number of inputs N",
            lambda diagram: diagram.num_units,
            ["num_units", "num_hidden"],
        ),
    ):
        shown += _threshold_figure(random, xlabel, value, options)
    return Section(
        "Beside the other runs",
        f"The {len(beside)} finished runs of this config in the same folder.",
        shown,
    )


def branches(beside: Sequence[Labelled]) -> dict[str, tuple[Diagram, Diagram]]:
    """The pairs of runs that differ in their start only, by the label of the first."""
    teacher = {
        _other_options(run, "start"): diagram
        for _, run, diagram in beside
        if diagram.start == "teacher"
    }
    return {
        label: (diagram, teacher[_other_options(run, "start")])
        for label, run, diagram in beside
        if diagram.start == "random" and _other_options(run, "start") in teacher
    }


def _other_options(run: FinishedRun, *names: str) -> str:
    """A model without some of its options, to see what runs differ in nothing else."""
    model = run.document["config"]["model"]
    others = {name: value for name, value in model.items() if name not in names}
    return json.dumps(others, sort_keys=True)


def _threshold_figure(
    random: Sequence[Labelled],
    xlabel: str,
    value: Callable[[Diagram], int],
    options: Sequence[str],
) -> list[Figure]:
    """m_c against what varies, in the runs that differ in these options alone."""
    groups: dict[str, list[Labelled]] = {}
    for one in random:
        groups.setdefault(_other_options(one[1], *options), []).append(one)
    group = max(groups.values(), key=len)
    x = [value(diagram) for _, _, diagram in group]
    if len(set(x)) < 2:
        return []
    found = [success_threshold(diagram) for _, _, diagram in group]
    image = figures.thresholds(np.array(x), {"P₀ = ½": found}, xlabel=xlabel)
    caption = f"Critical mini-batch size against the {xlabel}{_power(x, found)}."
    return [Figure(caption, image)]


def _power(x: Sequence[int], found: Sequence[Threshold]) -> str:
    """How m_c grows, as a power, where it was found at two different x at least."""
    known = [(n, one.estimate) for n, one in zip(x, found, strict=True)]
    known = [pair for pair in known if np.isfinite(pair[1])]
    if len({n for n, _ in known}) < 2:
        return ""
    scaling = phase_transition.finite_size_scaling(*zip(*known, strict=True))
    error = f" ± {scaling.exponent_error:.2f}" if len(known) > 2 else ""
    return f": it grows with the power {scaling.exponent:.2f}{error}"


def success_threshold(diagram: Diagram) -> Threshold:
    """Where half of the replicas pass; every page draws the same resamples."""
    return phase_transition.success_threshold(diagram, key=jax.random.key(0))


def thresholds(beside: Sequence[Labelled]) -> Section:
    """The critical mini-batch size of every run, by three observables."""
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
                interval(success_threshold(diagram)),
                interval(at_level),
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


def interval(threshold: Threshold) -> str:
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
