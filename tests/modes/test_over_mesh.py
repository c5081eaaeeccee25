"""A decomposition on 8 virtual devices, and in two processes, is that on one device."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory

QUICK = "--xla_backend_optimization_level=0"  # most of the time is compiling


@pytest.fixture
def path(make_planted, store, tmp_path):
    """A stored trajectory: 4 planted modes with noise, constants and a count."""
    history, _ = make_planted(12, 5000, 4, noise=0.3)
    history[:, 3] = 1
    params = {
        "bias": history[:, :40].copy(),
        "kernel": history[:, 40:].reshape(12, 80, 62).copy(),
        "count": np.arange(12, dtype=np.int32),
    }
    return store(Trajectory(params, np.arange(12))).path


@pytest.fixture
def start(repository, path, tmp_path):
    """`start(name, *devices and process)`: a run that ends as a file."""

    def call(name, *arguments):
        script = pathlib.Path(__file__).with_name("over_mesh.py")
        return subprocess.Popen(
            [sys.executable, str(script), str(path), str(tmp_path / name), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(repository), "XLA_FLAGS": QUICK},
        )

    return call


def test_devices_and_processes_change_nothing_but_rounding(
    start, tmp_path, coordinator
):
    runs = [
        start("one.npz", "1"),
        start("eight.npz", "8"),
        start("two.npz", "4", coordinator, "0"),
        start("two.npz", "4", coordinator, "1"),
    ]
    for run in runs:
        text, _ = run.communicate(timeout=300)
        assert run.returncode == 0, text
    one, eight, two = (np.load(tmp_path / f"{n}.npz") for n in ("one", "eight", "two"))
    for many in (eight, two):
        np.testing.assert_allclose(many["matrix"], one["matrix"], atol=2e-6)
        for name in (name for name in one.files if name.startswith("stored/")):
            expected, parts = one[name], many[name.replace("stored", "parts")]
            for found in (many[name], parts):
                if expected.dtype.kind in "ui":
                    np.testing.assert_array_equal(found, expected, name)
                else:
                    scale = np.abs(expected).max()
                    np.testing.assert_allclose(found, expected, atol=5e-5 * scale)
