"""A history larger than what may be allocated is decomposed from the disk."""

import re
import subprocess
import sys

import numpy as np

from cmd_jax.trajectory import TrajectoryWriter

PROGRAM = """
import sys, jax
from cmd_jax import modes
from cmd_jax.trajectory import Trajectory

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("RssAnon"))

def run(trajectory):
    return modes.decompose(
        trajectory, num_modes=4, num_samples=200, key=jax.random.key(0)
    )

recorded = Trajectory.open(sys.argv[1], verify=False)
run(recorded[:3])  # compiles, and starts the threads
before = anonymous()
fit = run(recorded)
outputs = sum(x.nbytes for x in jax.tree.leaves((fit.labels, fit.slope, fit.intercept,
                                                 fit.mean, fit.explained, fit.origin)))
print("grew", anonymous() - before - outputs)
"""


def test_decomposing_needs_a_quarter_of_the_history_at_most(tmp_path, repository):
    num_records, size = 200, 250_000
    rng = np.random.default_rng(0)
    weights = rng.normal(size=size).astype(np.float32)
    writer = TrajectoryWriter.create(tmp_path / "t", {"w": weights})
    for record in range(num_records):
        weights = weights + rng.normal(size=size).astype(np.float32)
        writer.append(record, {"w": weights})
    history = 4 * num_records * size
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "t")],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
    ).stdout
    match = re.search(r"grew (-?\d+)", found)
    assert match is not None
    assert int(match[1]) < 0.25 * history
