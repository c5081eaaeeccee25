"""The wall time of training: over all pieces, and unknown rather than too short."""

import types

import pytest

from cmd_jax import runs
from experiments.process import wall_time


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what a test adds to `clock.now`."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(wall_time.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def directory(tmp_path):
    return runs.RunDirectory(tmp_path / "run")


def _chunk(hook, step):
    assert hook.next_due(step) is None
    hook(step, (), ())


def test_the_pieces_of_a_run_add_up(clock, directory):
    first = wall_time.WallTime(directory, (0, 1), resumed=False)
    clock.now += 30
    first.write()
    clock.now += 1000  # nobody works
    second = wall_time.WallTime(directory, (0, 1), resumed=True)
    clock.now += 5
    second.write()
    assert directory.wall_times() == {(0, 1): 35.0}


def test_a_kill_loses_ten_seconds_at_most(clock, directory):
    hook = wall_time.WallTime(directory, (0,), resumed=False)
    for step in range(1, 26):
        clock.now += 1
        _chunk(hook, step)
    assert directory.wall_times() == {(0,): 20.0}


def test_a_run_whose_beginning_was_not_timed_stays_without(clock, directory):
    hook = wall_time.WallTime(directory, (0,), resumed=True)
    clock.now += 60
    _chunk(hook, 9)
    hook.write()
    assert directory.wall_times() == {}


def test_another_process_than_the_primary_writes_nothing(clock, directory, monkeypatch):
    monkeypatch.setattr(wall_time.processes, "is_primary", lambda: False)
    wall_time.WallTime(directory, (0,), resumed=False).write()
    assert directory.wall_times() == {}


def test_a_run_has_its_wall_time(finished):
    (seconds,) = runs.RunDirectory(finished).wall_times().values()
    assert 0 < seconds < 600
