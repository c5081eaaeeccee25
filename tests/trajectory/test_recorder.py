from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from cmd_jax import host
from cmd_jax.trajectory import Recorder, Schedule, Trajectory, TrajectoryWriter


@pytest.fixture
def states(make_params):
    """Two seeds' states on the device."""
    return tuple(
        SimpleNamespace(params=jax.tree.map(jnp.asarray, make_params(seed)))
        for seed in (1, 2)
    )


@pytest.fixture
def writers(tmp_path, make_params):
    return [
        TrajectoryWriter.create(tmp_path / str(seed), make_params(0)) for seed in (0, 1)
    ]


def test_records_what_is_due_in_one_fetch(
    tmp_path, states, writers, make_params, assert_trees_equal
):
    recorder = Recorder(writers, Schedule((0, 4, 6)))
    recorder.record_initial(states)
    before = host.counter.calls
    for step in range(1, 7):
        recorder(step, states, metrics=())
    assert host.counter.calls - before == 2
    assert [recorder.next_due(step) for step in (0, 4, 6)] == [4, 6, None]
    for seed in (0, 1):
        stored = Trajectory.open(tmp_path / str(seed))
        assert stored.steps.tolist() == [0, 4, 6]
        assert_trees_equal(stored[2], make_params(seed + 1))


def test_resumed_run_keeps_its_initial_record(tmp_path, states, writers, make_params):
    recorder = Recorder(writers, Schedule((0, 4)))
    recorder.record_initial(states)
    recorder(4, states, metrics=())
    resumed = [
        TrajectoryWriter.resume(tmp_path / str(seed), make_params(0), last_step=2)
        for seed in (0, 1)
    ]
    before = host.counter.calls
    recorder = Recorder(resumed, Schedule((0, 4)))
    recorder.record_initial(states)
    assert host.counter.calls == before
    recorder(4, states, metrics=())
    assert Trajectory.open(tmp_path / "1").steps.tolist() == [0, 4]


def test_initial_record_goes_where_there_is_none(states, writers, make_params):
    writers[0].append(0, make_params(1))
    Recorder(writers, Schedule((0,))).record_initial(states)
    assert [writer.num_records for writer in writers] == [1, 1]


def test_one_writer_a_seed(states, writers):
    with pytest.raises(ValueError, match="zip"):
        Recorder(writers[:1], Schedule((0,))).record_initial(states)
