"""Metrics rows with their evaluations, and checkpoints when they are due."""

import numpy as np

from cmd_jax import host, train
from cmd_jax.checkpoints import Checkpoints


def _metrics_hook(linear, sinks, **options):
    evaluate = train.make_evaluate(
        linear.network,
        linear.dataset.test,
        preprocess=linear.preprocess,
        batch_size=4,
        dispatch="scan",
    )
    settings = {"every_steps": 10, "steps_per_epoch": 5, "num_steps": 15}
    return train.MetricsHook(sinks, {"test": evaluate}, **(settings | options))


def test_rows_hold_means_and_the_evaluation_where_it_is_due(linear, keys):
    rows = ([], [])
    hook = _metrics_hook(linear, [[r.append] for r in rows])
    states = linear.states(keys)
    losses = [{"loss": np.array([1.0, 3.0])}, {"loss": np.array([5.0, 5.0])}]
    before = host.counter.calls
    hook(5, states, losses)
    assert host.counter.calls == before
    hook(10, states, losses)
    assert host.counter.calls == before + 1
    hook(15, states, losses)
    assert rows[0][0] == {"step": 5, "epoch": 1.0, "train/loss": 2.0}
    assert rows[1][0]["train/loss"] == 5.0
    assert {"test/loss", "test/accuracy"} <= set(rows[0][1])
    assert "test/accuracy" in rows[0][2]
    assert rows[0][1]["test/loss"] != rows[1][1]["test/loss"]


def test_what_is_tested_beside_stands_in_the_same_row(linear, keys):
    rows, asked = [], []

    def beside(step, states):
        asked.append(step)
        return [{"ema/test/loss": 0.5}] * len(states)

    hook = _metrics_hook(linear, [[rows.append]], beside=beside)
    states, losses = linear.states(keys[:1]), [{"loss": np.array([1.0])}]
    hook(5, states, losses)
    hook(10, states, losses)
    assert asked == [10]
    assert "ema/test/loss" not in rows[0]
    assert (rows[1]["ema/test/loss"], "test/loss" in rows[1]) == (0.5, True)


def test_evaluations_are_due_at_multiples_and_at_the_end(linear):
    hook = _metrics_hook(linear, [])
    assert [hook.next_due(step) for step in (0, 9, 10, 12)] == [10, 10, 15, 15]


def test_checkpoints_by_time_at_the_end_and_when_asked_to_stop(tmp_path, linear, keys):
    states, asked = linear.states(keys), []
    checkpoints = Checkpoints(tmp_path / "checkpoints")

    def save(step, states):
        checkpoints.save(step, list(states))

    hook = train.CheckpointHook(
        save, every_seconds=3600.0, num_steps=9, should_stop=lambda: bool(asked)
    )
    hook(3, states, [])
    assert checkpoints.latest() is None
    asked.append(True)
    hook(5, states, [])
    assert checkpoints.latest() == 5
    asked.clear()
    hook(9, states, [])
    assert checkpoints.latest() == 9
    restored = checkpoints.restore(9, list(states))
    np.testing.assert_array_equal(
        restored[1].params["kernel"], states[1].params["kernel"]
    )
    eager = train.CheckpointHook(
        save, every_seconds=0.0, num_steps=99, should_stop=lambda: False
    )
    eager(10, states, [])
    assert checkpoints.latest() == 10
