"""A run that was killed, stopped or out of disk ends as the uninterrupted one."""

import errno
import os
import re
import signal
import time

import pytest

from cmd_jax.checkpoints import Checkpoints, read_checkpoint


def _wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError(f"the run ended too early:\n{process.communicate()[0]}")


def _num_checkpoints(output):
    folders = output.glob("digits-*/checkpoints/seeds_0-1/*")
    return len([path for path in folders if path.name.isdigit()])


def _num_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_and_resumed_equals_uninterrupted(
    start_run, run_main, finished, equal_runs, tmp_path
):
    process = start_run(tmp_path, "--config.train.checkpoint_every_seconds=0")
    _wait_for(lambda: _num_checkpoints(tmp_path) == 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.glob("digits-*/seed_0/results.json"))
    assert run_main(tmp_path) == 0
    equal_runs(finished, tmp_path / finished.name)


class _Killed(BaseException):
    """The end of a process, in this one."""


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_killed_during_the_warm_up_at_its_end_and_after(
    epoch, run_main, arguments, finished, equal_runs, tmp_path, monkeypatch
):
    save, last_step = Checkpoints.save, 38 * epoch  # a warm-up of 3 records

    def save_and_die(self, step, tree):
        save(self, step, tree)
        if step == last_step:
            raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(_Killed):
            run_main(tmp_path, *arguments, "--config.train.checkpoint_every_seconds=0")
    path = tmp_path / finished.name / "checkpoints" / "seeds_0-1" / str(last_step)
    states = read_checkpoint(path, "estimators/1/states")
    assert ("online" in states, "swa" in states) == (epoch >= 3, True)
    assert run_main(tmp_path) == 0
    equal_runs(finished, tmp_path / finished.name)


def test_sigterm_saves_and_exits_0(
    start_run, run_main, finished, equal_runs, tmp_path, capsys
):
    process = start_run(tmp_path)
    metrics = tmp_path / finished.name / "seed_1" / "metrics.jsonl"
    _wait_for(lambda: _num_lines(metrics) > 1, process)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate()
    assert process.returncode == 0
    (step,) = re.findall(r"stopped at step (\d+) .* run the same command again", text)
    assert (tmp_path / finished.name / "checkpoints" / "seeds_0-1" / step).is_dir()
    assert run_main(tmp_path) == 0
    equal_runs(finished, tmp_path / finished.name)


@pytest.mark.parametrize("allowed", [3, 7])
def test_a_full_disk_stops_the_run_with_its_records(
    allowed, run_main, finished, equal_runs, tmp_path, capsys, monkeypatch
):
    write, written = os.write, []

    def full(handle, data):
        written.append(1)
        if len(written) > 12 * allowed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert run_main(tmp_path) == 1
    text = capsys.readouterr().err
    assert "No space left on device" in text
    assert "run the same command again" in text
    assert run_main(tmp_path) == 0
    equal_runs(finished, tmp_path / finished.name)
