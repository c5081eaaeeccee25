"""One device = 8 virtual devices = two processes with 4 each, up to rounding.

Measured: the largest difference relative to the largest entry of an array is 5e-6 after
26 steps, in parameters, running statistics, momenta and test losses alike.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

TOLERANCE = 1e-4
QUICK = "--xla_backend_optimization_level=0"  # most of the time is compiling


@pytest.fixture
def start(repository, tmp_path):
    """`start(name, placement, *devices and process)`: a run that ends as a file."""

    def call(name, *arguments):
        script = pathlib.Path(__file__).with_name("data_parallel.py")
        return subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / name), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(repository), "XLA_FLAGS": QUICK},
        )

    return call


def _difference(found, expected):
    assert found.keys() == expected.keys()
    return max(
        np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-30)
        for name, value in expected.items()
    )


def test_devices_and_processes_change_nothing_but_rounding(
    start, tmp_path, coordinator
):
    runs = [
        start("one.npz", "device", "1"),
        start("eight.npz", "device", "8"),
        start("two.npz", "host", "4", coordinator, "0"),
        start("two.npz", "host", "4", coordinator, "1"),
    ]
    for run in runs:
        text, _ = run.communicate(timeout=300)
        assert run.returncode == 0, text
    one, eight, two = (np.load(tmp_path / f"{n}.npz") for n in ("one", "eight", "two"))
    assert len(one) > 25
    assert _difference(eight, one) < TOLERANCE
    assert _difference(two, one) < TOLERANCE
