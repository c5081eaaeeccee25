"""A training set on the host gives bitwise what one on the device gives."""

import threading

import jax
import numpy as np
import pytest

from cmd_jax import data, train
from cmd_jax.train.feed import HostFeed


def _run(chunk, states, start=0):
    return train.train(
        states, chunk, [], start_step=start, num_steps=13, steps_per_epoch=5,
        chunk_steps=3,
    )[0]  # fmt: skip


def _equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("vectorize", [True, False])
def test_host_equals_device_bitwise(linear, keys, vectorize):
    ends = [
        _run(
            linear.chunk(
                keys, dispatch="step", placement=placement, vectorize=vectorize
            ),
            linear.states(keys),
        )
        for placement in ("device", "host")
    ]
    _equal(*ends)


def test_a_fed_run_goes_on_where_it_stopped(linear, keys):
    options = {"dispatch": "step", "placement": "host"}
    whole = _run(linear.chunk(keys, **options), linear.states(keys))
    chunk = linear.chunk(keys, **options)
    states, _ = chunk(linear.states(keys), 5)
    states, _ = chunk(states, 2)  # without a start the states are asked
    _equal(_run(linear.chunk(keys, **options), states, start=7), whole)


def test_the_next_chunk_is_gathered_by_another_thread(linear, keys, monkeypatch):
    loaded, load = [], HostFeed._load

    def spy(self, start, count):
        loaded.append((start, count, threading.current_thread().name))
        return load(self, start, count)

    monkeypatch.setattr(HostFeed, "_load", spy)
    chunk = linear.chunk(keys, dispatch="step", placement="host")
    _run(chunk, linear.states(keys))
    spans = [(start, count) for start, count, _ in loaded if count]
    assert spans == [(0, 3), (3, 2), (5, 3), (8, 2), (10, 3)]
    by_thread = [name.startswith("feed") for _, count, name in loaded if count]
    assert by_thread == [False, True, True, True, True]


def test_an_unannounced_chunk_is_right_too(linear, keys):
    options = {"dispatch": "step", "placement": "host"}
    expected, _ = linear.chunk(keys, **options)(linear.states(keys), 3)
    chunk = linear.chunk(keys, **options)
    chunk(linear.states(keys), 2, start=0, following=3)
    found, _ = chunk(linear.states(keys), 3, start=0)
    _equal(found, expected)


@pytest.mark.parametrize("placement", ["device", "host"])
def test_a_seed_trains_on_its_own_subset(linear, keys, placement):
    subset = data.make_subset(linear.dataset.train.labels, 10, num_classes=3)
    options = {"dispatch": "step", "placement": placement, "subset": subset}

    def trained():
        states = linear.states(keys[:1])
        chunk = linear.chunk(keys[:1], **options)
        steps = {"num_steps": 5, "steps_per_epoch": 2, "chunk_steps": 2}
        return train.train(states, chunk, [], start_step=0, **steps)[0]

    whole = trained()
    others = np.setdiff1d(np.arange(26), subset.draw(keys[0]))
    linear.dataset.train.inputs[others] = 0
    _equal(trained(), whole)
    linear.dataset.train.inputs[:] = 0
    (moved,), (state,) = trained(), whole
    assert (moved.params["kernel"] != state.params["kernel"]).any()


def test_the_set_stays_on_the_host_where_it_would_fill_the_device():
    assert train.choose_placement(10, None) == "device"
    assert train.choose_placement(10, 20) == "device"
    assert train.choose_placement(11, 20) == "host"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"placement": "disk"}, r"'disk'; allowed are 'device' and 'host'"),
        ({"placement": "host", "dispatch": "scan"}, "fed with dispatch 'step'"),
    ],
)
def test_what_is_refused(linear, keys, options, message):
    with pytest.raises(ValueError, match=message):
        linear.chunk(keys, **options)
