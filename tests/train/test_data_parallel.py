"""One device = 8 virtual devices = two processes with 4 each, up to rounding.

Measured: the largest difference relative to the largest entry of an array is 5e-6 after
26 steps, in parameters, running statistics, momenta and test losses alike.
"""

import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def trained(repository, tmp_path_factory):
    """`trained(placement, num_devices, num_processes)`: what the networks ended as."""
    folder = tmp_path_factory.mktemp("data_parallel")

    def call(placement, num_devices, num_processes=1):
        output = folder / f"{placement}-{num_devices}-{num_processes}.npz"
        options = [str(output), placement, str(num_devices)]
        if num_processes == 1:
            processes = [_start(repository, *options)]
        else:
            coordinator = f"localhost:{_free_port()}"
            processes = [
                _start(repository, *options, coordinator, str(number))
                for number in range(num_processes)
            ]
        for process in processes:
            text, _ = process.communicate(timeout=300)
            assert process.returncode == 0, text
        return dict(np.load(output))

    return call


def _start(repository, *arguments):
    script = pathlib.Path(__file__).with_name("data_parallel.py")
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )


def _free_port():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def _difference(found, expected):
    assert found.keys() == expected.keys()
    return max(
        np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-30)
        for name, value in expected.items()
    )


def test_devices_and_processes_change_nothing_but_rounding(trained):
    expected = trained("device", 1)
    assert len(expected) > 25
    assert _difference(trained("device", 8), expected) < TOLERANCE
    assert _difference(trained("host", 4, num_processes=2), expected) < TOLERANCE
