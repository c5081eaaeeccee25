"""One run in two processes: as one process up to rounding, stopped, killed, refused."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from cmd_jax.train import MetricsFile
from cmd_jax.trajectory import Trajectory

TOLERANCE = 1e-4  # relative to an array's largest entry; 5e-7 was measured


@pytest.fixture
def start(repository, tmp_path, coordinator):
    """`start(*arguments, last=())`: two processes; the last takes `last` as well."""

    def call(*arguments, last=()):
        command = [
            *(sys.executable, str(repository / "experiments" / "run.py")),
            *("--config", "digits:smoke", "--config.train.chunk_steps=20"),
            *("--output", str(tmp_path), "--coordinator", coordinator),
            *("--num_processes", "2", *arguments, "--process_id"),
        ]
        return [
            subprocess.Popen(
                [*command, *own],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "JAX_NUM_CPU_DEVICES": "2"},
            )
            for own in (("0",), ("1", *last))
        ]

    return call


def _end(processes):
    texts = [process.communicate(timeout=240)[0] for process in processes]
    return [process.returncode for process in processes], texts


def _wait_for_rows(path, number, process):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= number:
            return
        time.sleep(0.005)
    raise AssertionError(process.communicate()[0])


def _assert_close(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * scale)


def _assert_same_run(found: pathlib.Path, expected: pathlib.Path):
    for seed in ("seed_0", "seed_1"):
        ours, theirs = (
            Trajectory.open(root / seed / "trajectory").load()
            for root in (found, expected)
        )
        np.testing.assert_array_equal(ours.steps, theirs.steps)
        jax.tree.map(_assert_close, ours.params, theirs.params)
        ours, theirs = (
            MetricsFile(root / seed / "metrics.jsonl").read()
            for root in (found, expected)
        )
        assert [row.keys() for row in ours] == [row.keys() for row in theirs]
        for name in ("step", "train/loss", "test/loss"):
            values = [[r[name] for r in rows if name in r] for rows in (ours, theirs)]
            _assert_close(*map(np.array, values))
        assert (found / seed / "results.json").exists()


def test_two_processes_give_what_one_gives(start, finished, tmp_path):
    codes, texts = _end(start())
    assert codes == [0, 0], texts
    assert "seed 1: decomposing" in texts[0]
    assert "decomposing" not in texts[1]
    _assert_same_run(tmp_path / finished.name, finished)


@pytest.mark.slow
def test_a_signal_to_one_stops_both_and_they_go_on_together(start, finished, tmp_path):
    processes = start("--config.train.checkpoint_every_seconds=1")
    run = tmp_path / finished.name
    _wait_for_rows(run / "seed_1" / "metrics.jsonl", 2, processes[0])
    processes[1].send_signal(signal.SIGTERM)
    codes, texts = _end(processes)
    assert codes == [0, 0], texts
    assert "run the same command again" in texts[0]
    assert "run the same command again" not in texts[1]
    assert not (run / "seed_0" / "results.json").exists()
    codes, texts = _end(start())
    assert codes == [0, 0], texts
    assert "going on from step" in texts[0]
    _assert_same_run(run, finished)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.modes.num_modes=0", "num_modes"),
        ("--config.train.total_epochs=7", "start all processes with the same command"),
    ],
)
def test_what_one_refuses_nobody_begins(start, tmp_path, argument, message):
    codes, texts = _end(start(last=[argument]))
    assert codes == [1, 2], texts
    assert "another process of this run was refused" in texts[0]
    assert message in texts[1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_run_which_then_goes_on(
    start, run_main, finished, tmp_path, killed
):
    processes = start("--config.train.checkpoint_every_seconds=0")
    run = tmp_path / finished.name
    _wait_for_rows(run / "seed_1" / "metrics.jsonl", 3, processes[0])
    processes[killed].send_signal(signal.SIGKILL)
    codes, _ = _end(processes)
    assert codes[1 - killed] not in (0, 2)
    assert not (run / "seed_0" / "results.json").exists()
    assert run_main(tmp_path) == 0  # one process with one device
    _assert_same_run(run, finished)


def test_flags_that_belong_together(run_main, tmp_path, capsys):
    arguments = ("--config", "digits:smoke", "--process_id=0")
    assert run_main(tmp_path, *arguments) == 2
    assert "belong together" in capsys.readouterr().err
