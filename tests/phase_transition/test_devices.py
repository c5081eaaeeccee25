"""Replicas shared out over devices do what they do on one."""

import os
import subprocess
import sys

PROGRAM = """
import sys
import jax
from cmd_jax import phase_transition as pt

jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
greedy = pt.SparseDiscrete(num_units=12, degree=3)
gradient = pt.ContinuousModel(num_units=12, degree=3, learning_rate=0.5)
for model in (greedy, gradient):
    found = pt.sweep(
        model,
        batch_sizes=(2, 24),
        num_seeds=3,
        num_sweeps=80,
        test_every=20,
        key=jax.random.key(0),
    )
    print(found.passed.tolist(), found.num_sweeps.tolist())
    print([f"{x:.4g}" for x in (*found.error.ravel(), *found.overlap.ravel())])
"""


def test_devices_change_nothing(repository):
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    texts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(devices)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for devices in (1, 4)  # of six replicas: two places are spare
    ]
    assert texts[0].count("\n") == 4
    assert texts[0] == texts[1]
