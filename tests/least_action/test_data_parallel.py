"""One device = 8 virtual devices, up to rounding: the multiplier too."""

import os
import pathlib
import subprocess
import sys

import numpy as np

QUICK = "--xla_backend_optimization_level=0"  # most of the time is compiling


def test_eight_devices_are_one(repository, tmp_path):
    script = pathlib.Path(__file__).with_name("data_parallel.py")
    environment = {**os.environ, "PYTHONPATH": str(repository), "XLA_FLAGS": QUICK}
    runs = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / f"{number}.npz"), number],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for number in ("1", "8")
    ]
    for run in runs:
        text, _ = run.communicate(timeout=600)
        assert run.returncode == 0, text
    one, eight = (np.load(tmp_path / f"{number}.npz") for number in (1, 8))
    assert sum("multiplier/value" in name for name in one) == 2
    for name, value in one.items():
        np.testing.assert_allclose(eight[name], value, rtol=2e-3, atol=1e-4)
