"""The estimate of a run's time, with a clock and a chunk of the test's own."""

import types

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from experiments.configured import estimate


@pytest.fixture
def setup_of():
    """`setup_of(quick, **estimators)`.

    10 epochs of 20 steps, 90 + 30 images tested every 2nd.
    """

    def make(quick="", **estimators):
        config = ConfigDict(
            {
                "quick": quick,
                "train": {"batch_size": 8, "chunk_steps": 7},
                "eval": {"every_epochs": 2},
                "estimators": estimators,
                "record": {"pattern": "*", "num_weights": 0},
            }
        )
        splits = {
            name: types.SimpleNamespace(labels=np.zeros(number))
            for name, number in (("test", 90), ("validation", 30))
        }
        return types.SimpleNamespace(
            config=config,
            dataset=types.SimpleNamespace(**splits),
            num_steps=200,
            steps_per_epoch=20,
        )

    return make


@pytest.fixture
def chunk(monkeypatch):
    """`chunk(seconds)`: a chunk whose steps take so long on a clock that it drives."""

    def make(seconds):
        now = [0.0]
        monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])

        def run(states, steps):
            run.called.append(steps)
            now[0] += steps * seconds + (1000 if len(run.called) == 1 else 0)
            return states

        run.called = []
        return run

    return make


_STATES = ({"params": jnp.zeros(3)},)


def test_counts_steps_and_tested_images_but_not_compiling(setup_of, chunk):
    slow = chunk(0.5)
    seconds = estimate.training_seconds(setup_of(), slow, _STATES)
    assert seconds == pytest.approx(0.5 * (200 + 6 * 120 / 24))
    assert slow.called == [1, 1]
    resumed = estimate.training_seconds(setup_of(), chunk(0.5), _STATES, start=160)
    assert resumed == pytest.approx(0.5 * (40 + 2 * 120 / 24))


def test_estimators_are_tested_like_the_network(setup_of, chunk):
    setup = setup_of(ema={"every_records": 1}, swa={"every_records": 0})
    seconds = estimate.training_seconds(setup, chunk(0.5), _STATES)
    assert seconds == pytest.approx(0.5 * (200 + 11 * 120 / 24))


def test_short_steps_are_timed_together(setup_of, chunk):
    fast = chunk(0.01)
    estimate.training_seconds(setup_of(), fast, _STATES)
    assert fast.called == [1, 1, 7]


def test_a_long_run_says_what_is_quicker(setup_of, chunk, capsys):
    setup = setup_of("resnet18:width=16")
    estimate.announce(setup, "resnet18", chunk(20.0), _STATES, start=0)
    text = capsys.readouterr().out
    assert "training takes about 1 h 16 min on this machine" in text
    assert "in seconds: --config resnet18:smoke" in text
    assert "in minutes: --config resnet18:width=16" in text


def test_a_short_run_says_its_time_only_and_a_finished_one_nothing(
    setup_of, chunk, capsys
):
    estimate.announce(setup_of(), "digits", chunk(0.001), _STATES, start=0)
    assert capsys.readouterr().out == "training takes about 1 s on this machine\n"
    done = chunk(1.0)
    estimate.announce(setup_of(), "digits", done, _STATES, start=200)
    assert done.called == []
