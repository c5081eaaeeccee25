"""Writes one self-contained page over several runs, such as those of a sweep.

python scripts/make_report.py runs/digits-* --output report.html
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from collecting import REFUSED, FinishedRun, read_runs

from cmd_jax.modes import figures
from cmd_jax.report import (
    METHODS,
    Figure,
    Line,
    Section,
    Table,
    compare,
    differences_by_seed,
    mean_std,
    write_page,
)
from experiments import study_page
from experiments.least_action import comparison


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = make_parser()
    flags = parser.parse_args(argv)
    try:
        write_report(flags.output, read_runs(flags.runs))
    except REFUSED as error:
        parser.exit(2, f"error: {error}\n")
    except OSError as error:
        parser.exit(1, f"error: {error}\n")
    print(flags.output)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Exit code: 0 done; 1 a write failed; 2 refused, with nothing written.",
    )
    add, path = parser.add_argument, pathlib.Path
    add("runs", nargs="+", metavar="RUN", type=path, help="run directories")
    add("--output", required=True, metavar="FILE", type=path, help="the page")
    return parser


def write_report(path: pathlib.Path, finished: Sequence[FinishedRun]) -> None:
    """Writes the page over the runs."""
    shared = _shared_fields(finished)
    lines = [_line(run, shared) for run in finished]
    write_page(
        path,
        "Runs, side by side",
        [*_sections(finished, lines), _runs(finished, lines)],
        subtitle=f"All with {' '.join(shared)}." if shared else "",
        highlights=[(line.label, _headline(line)) for line in lines],
    )


def _sections(finished: Sequence[FinishedRun], lines: Sequence[Line]) -> list[Section]:
    """Those of the study, if all runs are of one that has its own."""
    studies = {run.directory.config()["config"]["study"] for run in finished}
    if studies == {"least_action"}:
        pairs = zip(finished, lines, strict=True)
        return comparison.sections(
            {line.label: study_page.read(run.directory) for run, line in pairs}
        )
    return [
        _summary(lines),
        _differences(lines),
        _curves(finished, lines),
        *_embedded(finished, lines),
    ]


def _shared_fields(finished: Sequence[FinishedRun]) -> list[str]:
    """The fields in which all of several runs differ alike from their configs."""
    if len(finished) == 1:
        return []
    first, *others = [run.label.split(" ")[1:] for run in finished]
    return [field for field in first if all(field in other for other in others)]


def _line(run: FinishedRun, shared: Sequence[str]) -> Line:
    label = " ".join(word for word in run.label.split(" ") if word not in shared)
    return Line(label, run.rows, run.directory.config()["config"]["paper"])


def _headline(line: Line) -> str:
    """The accuracy of the trained network itself, under any of its names."""
    names = ("sgd", "embedded", "last")
    found = next(filter(None, map(line.accuracies, names)), {})
    return mean_std(list(found.values())) or "not tested"


def _summary(lines: Sequence[Line]) -> Section:
    table = compare(
        "Test accuracy: per cent at the last record, mean ± standard deviation (seeds)",
        "run",
        lines,
    )
    return Section(
        "Summary",
        "All methods of a line follow the same training. SGD stands for the optimizer "
        "of the config. A cell nobody ran is empty; the paper's number is for its own "
        "number of epochs. At the top of the page stands the accuracy of SGD.",
        tables=[table],
    )


def _differences(lines: Sequence[Line]) -> Section:
    table = differences_by_seed("Paired differences: points of accuracy", "run", lines)
    title = "Paired differences"
    if not table.rows:
        return Section(title, "No run has Online CMD beside another method.")
    return Section(
        title,
        "Online CMD minus another method on the same training. From five seeds on with "
        "Student's 95 % interval of the mean.",
        tables=[table],
    )


def _curves(finished: Sequence[FinishedRun], lines: Sequence[Line]) -> Section:
    pairs = zip(finished, lines, strict=True)
    drawn = [figure for run, line in pairs if (figure := _figure(run, line))]
    text = "" if drawn else "No run has tested its records."
    return Section("Accuracy by epoch", text, drawn)


def _figure(run: FinishedRun, line: Line) -> Figure | None:
    """The accuracy of each method by epoch; None where records were not tested."""
    seeds = run.directory.finished_seeds()
    arrays = [run.directory.seed(seed).arrays() for seed in seeds]
    methods = [
        method
        for method in line.methods()
        if all(f"accuracy_{method}" in one for one in arrays)
    ]
    if not methods:
        return None
    curves = {
        METHODS.get(method, method): np.stack([a[f"accuracy_{method}"] for a in arrays])
        for method in methods
    }
    caption = f"Test accuracy of {line.label}; seeds {', '.join(map(str, seeds))}."
    return Figure(caption, figures.accuracy(arrays[0]["evaluated_epochs"], curves))


def _embedded(finished: Sequence[FinishedRun], lines: Sequence[Line]) -> list[Section]:
    """Accuracy against how much is embedded, where runs have embedded weights."""
    curves = {
        line.label: _share_and_accuracy(run)
        for run, line in zip(finished, lines, strict=True)
        if any(row.method == "embedded" for row in run.rows)
    }
    if not curves:
        return []
    figure = Figure(
        "Test accuracy against the weights embedded so far, in per cent.",
        figures.accuracy_by_share(curves),
    )
    text = "Weights are embedded as training goes on: further right is also later."
    return [Section("Embedded weights", text, [figure])]


def _share_and_accuracy(run: FinishedRun) -> tuple[np.ndarray, np.ndarray]:
    """The share that was trained up to each tested record, and the accuracies there."""
    seeds = run.directory.finished_seeds()
    arrays = [run.directory.seed(seed).arrays() for seed in seeds]
    first = arrays[0]
    tested = np.isin(first["epochs"], first["evaluated_epochs"])
    accuracy = np.stack([seed["accuracy_embedded"] for seed in arrays])
    return first["trained_share"][tested], accuracy


def _runs(finished: Sequence[FinishedRun], lines: Sequence[Line]) -> Section:
    firsts = [run.rows[0] for run in finished]
    rows = [
        [
            line.label,
            run.directory.root.resolve().name,
            ", ".join(map(str, run.directory.finished_seeds())),
            first.commit[:8] or None,
            first.hardware,
        ]
        for run, line, first in zip(finished, lines, firsts, strict=True)
    ]
    columns = ["run", "directory", "seeds", "commit", "hardware"]
    versions = "; ".join(dict.fromkeys(first.versions for first in firsts))
    commands = "\n".join(
        f"    {text}" for text in dict.fromkeys(f.command for f in firsts)
    )
    return Section(
        "Runs",
        f"Versions: {versions}. The commands:\n\n{commands}",
        tables=[Table("What was run", columns, rows)],
    )


if __name__ == "__main__":
    sys.exit(main())
