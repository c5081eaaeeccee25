"""Prints how many MB of anonymous memory a decomposition takes above its outputs.

    python scripts/benchmark_cases/peak_memory.py TRAJECTORY NUM_MODES

What the process holds once it is warm (libraries, compiled programs) does not count.
"""

import pathlib
import sys
import threading

import jax

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cmd_jax import modes
from cmd_jax.trajectory import StoredTrajectory, Trajectory

SECONDS_BETWEEN_LOOKS = 0.002


def main(path: str, num_modes: str) -> None:
    """Decomposes the trajectory at `path`; prints the peak."""
    trajectory = Trajectory.open(path, verify=False)
    decompose(trajectory[:3], int(num_modes))  # compiles
    before, peak, done = anonymous(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            peak = max(peak, anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = decompose(trajectory, int(num_modes))
    done.set()
    watcher.join()
    columns = (found.labels, found.slope, found.intercept)
    columns += (found.mean, found.origin, found.explained)
    outputs = sum(leaf.nbytes for leaf in jax.tree.leaves(columns))
    print((peak - before - outputs) / 1e6)


def decompose(trajectory: StoredTrajectory, num_modes: int) -> modes.Decomposition:
    """Modes of 1 000 sampled weights."""
    return modes.decompose(
        trajectory, num_modes=num_modes, num_samples=1000, key=jax.random.key(0)
    )


def anonymous() -> int:
    """Bytes of this process that are backed by no file."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("RssAnon"))


if __name__ == "__main__":
    main(*sys.argv[1:])
