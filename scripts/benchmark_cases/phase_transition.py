"""Phase transitions: greedy sweeps of many replicas, against a program in C."""

import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from functools import partial

from benchmark_cases.case import Case, Work

FOLDER = pathlib.Path(__file__).resolve().parent
DEGREE = 3
NUM_SWEEPS, NUM_SEEDS, BATCH_SIZES = 500, 24, range(4, 27, 2)
NUM_CORES = 2
KNOWN = {100: 6.0, 400: 22.0}  # microseconds a sweep of such a program, by N
SLOWEST = 1.5  # times those: of a slower one nothing is said


def greedy(num_units: int) -> Work:
    """Microseconds of a sweep of one replica, on two cores and of C on one."""
    folder = tempfile.TemporaryDirectory(prefix="cmd_jax_benchmark_")
    atexit.register(folder.cleanup)
    program = pathlib.Path(folder.name) / "greedy_sweep"
    source = FOLDER / "greedy_sweep.c"
    options = ("-O3", "-march=native", f"-DDEGREE={DEGREE}")
    subprocess.run(["cc", *options, source, "-o", program], check=True)
    sizes = (num_units, NUM_SWEEPS, NUM_SEEDS, *BATCH_SIZES)
    timing = [sys.executable, FOLDER / "greedy_timing.py"]
    found = last_number([program, *sizes])
    limit = SLOWEST * KNOWN[num_units]
    counts = "" if found <= limit else ", so the row does not count"
    return Work(
        reference=lambda: last_number([program, *sizes]),
        case=lambda: last_number([*timing, *sizes], devices=NUM_CORES),
        note=f"C on one core takes {found:.1f} µs, known are {KNOWN[num_units]:g} and "
        f"{limit:g} are allowed{counts}; {len(BATCH_SIZES) * NUM_SEEDS} replicas on "
        f"{NUM_CORES} cores",
        unit="µs",
    )


def last_number(command: list, *, devices: int = 1) -> float:
    """The last line that a command prints."""
    done = subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)},
    )
    return float(done.stdout.split()[-1])


def _cases() -> tuple[Case, ...]:
    if shutil.which("cc") is None:
        print(
            "no C compiler (cc): the rows of greedy sweeps are left out",
            file=sys.stderr,
        )
        return ()
    return tuple(
        Case(
            f"greedy_{num_units}",
            f"a greedy sweep, N = {num_units}, d = {DEGREE}, m = 4, 6, ..., 26 with "
            f"{NUM_SEEDS} seeds, against sequential bit-packed C",
            "at most",
            bar=1,
            aim=0.5,
            setup=partial(greedy, num_units),
        )
        for num_units in KNOWN
    )


CASES = _cases()
