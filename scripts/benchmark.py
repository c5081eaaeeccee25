"""Times parts of this project against references, side by side on this machine.

Reference and case alternate, each pair in the other order than the last, so that what
else the machine does meets both; a row is the median of the pairs' ratios with its
quartiles. A case is added in `benchmark_cases/`; nothing here knows any by name.
"""

import argparse
import datetime
import importlib.util
import os
import pathlib
import platform
import sys
import timeit
from collections.abc import Callable, Sequence
from typing import Any

import jax

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from benchmark_cases import CASES
from benchmark_cases.case import Case, Work
from benchmark_cases.row import Row, markdown, summarize

from cmd_jax import files, processes
from cmd_jax.spelling import did_you_mean

MIN_REPEATS = 15
UNTIMED_REPEATS = 3  # of what hardly varies, such as memory


def alternate(work: Work, repeats: int) -> dict[str, list[float]]:
    """What `repeats` calls of each side took, in pairs of alternating order."""
    sides = {"reference": work.reference, "case": work.case}
    measured = {side: [] for side in sides}
    for turn in range(repeats):
        for side in reversed(sides) if turn % 2 else sides:
            measured[side].append(measure(sides[side], work.unit))
    return measured


def measure(side: Callable[[], Any], unit: str) -> float:
    """Seconds of a call, or in another unit what the call gives."""
    return timeit.timeit(side, number=1) if unit == "s" else float(side())


def run(case: Case, repeats: int) -> Row:
    """Sets a case up, warms both sides up and measures it, with a line of progress."""
    say(f"{case.name}: {case.description}")
    work = case.setup()
    if work.unit != "s":
        return summarize(case, work, alternate(work, UNTIMED_REPEATS))
    alternate(work, 1)  # compiles
    pair = sum(times[0] for times in alternate(work, 1).values())
    say(f"{case.name}: {repeats} pairs, about {pair * repeats:.0f} s")
    return summarize(case, work, alternate(work, repeats))


def say(line: str) -> None:
    """Prints progress, apart from the table on standard output."""
    print(line, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What the numbers hold for."""
    return {
        "cpu": cpu_model(),
        "cores": processes.usable_cores(),
        "load": round(os.getloadavg()[0], 1),
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "jax": jax.__version__,
        "python": platform.python_version(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def cpu_model() -> str:
    """The CPU's name where Linux tells it, else what Python knows."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return models[0] if models else platform.processor() or platform.machine()


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Exit code: 0 if every bar holds, 1 if one fails, 2 for a wrong call.",
    )
    add = parser.add_argument
    add("--case", nargs="+", metavar="NAME", help="cases to run (default: all)")
    add("--json", metavar="FILE", type=pathlib.Path, help="also write all raw times")
    add(
        "--repeats",
        metavar="N",
        type=int,
        default=MIN_REPEATS,
        help="pairs to time, at least 15 (the default)",
    )
    add("--list", action="store_true", help="list the cases and exit")
    return parser


def select(names: Sequence[str] | None, cases: Sequence[Case]) -> list[Case]:
    """The cases of these names (None: all), each with what it requires installed."""
    known = {case.name: case for case in cases}
    for name in names or ():
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"no case {name!r}{hint}; there are {', '.join(known)}")
    chosen = [known[name] for name in dict.fromkeys(names or known)]
    for case in chosen:
        for module in case.requires:
            if importlib.util.find_spec(module) is None:
                raise ValueError(
                    f"case {case.name!r} needs the package {module}: "
                    "pip install '.[dev]', or name other cases with --case"
                )
    return chosen


def main(argv: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> int:
    """Runs the command line; returns the exit code."""
    parser = make_parser()
    flags = parser.parse_args(argv)
    if flags.list:
        print("\n".join(f"{case.name}: {case.description}" for case in cases))
        return 0
    if flags.repeats < MIN_REPEATS:
        parser.error(f"--repeats {flags.repeats}: at least {MIN_REPEATS} are needed")
    try:
        chosen = select(flags.case, cases)
    except ValueError as error:
        parser.error(str(error))
    header, rows = machine(), []
    for case in chosen:
        rows.append(run(case, flags.repeats))
        if flags.json:  # after each: the next may take minutes
            raw = {"machine": header, "cases": [row._asdict() for row in rows]}
            files.write_json(flags.json, raw)
    print(markdown(header, rows))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
