"""Chunks against a loop written by hand, and against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cmd_jax import train
from cmd_jax.data import epoch_permutation


def _equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def _close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)


def test_chunk_equals_a_plain_loop_over_the_shuffled_epoch(linear, keys):
    (state,) = linear.states(keys[:1])
    params, optimizer_state = state.params, linear.optimizer.init(state.params)
    inputs = np.float32(linear.dataset.train.inputs.reshape(26, -1)) / np.float32(255)
    labels = linear.dataset.train.labels

    def loss_of(params, index):
        logits = inputs[index] @ params["kernel"]
        log_probabilities = jax.nn.log_softmax(logits)
        return -log_probabilities[np.arange(5), labels[index]].mean()

    losses = []
    for epoch in range(2):
        order = np.asarray(epoch_permutation(keys[0], epoch, 26))
        for batch in range(5):
            index = order[5 * batch : 5 * batch + 5]
            loss, gradient = jax.value_and_grad(loss_of)(params, index)
            updates, optimizer_state = linear.optimizer.update(
                gradient, optimizer_state
            )
            params = optax.apply_updates(params, updates)
            losses.append(float(loss))

    chunk, states, seen = linear.chunk(keys[:1]), (state,), []
    for _ in range(2):
        states, metrics = chunk(states, 5)
        seen += np.asarray(metrics[0]["loss"][:5]).tolist()
    np.testing.assert_allclose(seen, losses, rtol=1e-5)
    _close(states[0].params, params)
    assert int(states[0].step) == 10


@pytest.mark.parametrize("vectorize", [True, False])
def test_scan_and_step_dispatch_agree(linear, keys, vectorize):
    results = [
        linear.chunk(keys, dispatch=dispatch, vectorize=vectorize)(
            linear.states(keys), 5
        )
        for dispatch in ("scan", "step")
    ]
    _close(*results)


def test_seeds_side_by_side_equal_seeds_one_after_another(linear, keys):
    together = linear.chunk(keys, vectorize=True)(linear.states(keys), 4)
    in_turn = linear.chunk(keys, vectorize=False)(linear.states(keys), 4)
    alone = linear.chunk(keys[1:])(linear.states(keys[1:]), 4)
    _close(together, in_turn)
    _equal(in_turn[0][1], alone[0][0])
    first, second = together[0]
    assert not np.array_equal(first.params["kernel"], second.params["kernel"])


@pytest.mark.parametrize("dispatch", ["scan", "step"])
def test_how_an_epoch_is_cut_into_chunks_changes_nothing(linear, keys, dispatch):
    chunk = linear.chunk(keys, dispatch=dispatch)
    whole, _ = chunk(linear.states(keys), 5)
    parts, _ = chunk(linear.states(keys), 2)
    parts, _ = chunk(parts, 3)
    _equal(whole, parts)


def test_chunks_of_any_length_are_traced_once(linear, keys):
    traces = []
    objective = train.cross_entropy(linear.network)

    def counted(*arguments):
        traces.append(1)
        return objective(*arguments)

    chunk = linear.chunk(keys, objective=counted)
    states, _ = chunk(linear.states(keys), 1)
    after_first = len(traces)
    for count in (3, 1, 2, 3):
        states, _ = chunk(states, count)
    assert after_first > 0
    assert len(traces) == after_first


def test_the_metrics_of_the_objective_are_logged(linear, keys):
    objective = train.cross_entropy(linear.network)

    def with_norm(params, state, batch, key):
        loss, (state, aux) = objective(params, state, batch, key)
        norm = jnp.linalg.norm(params["kernel"])
        return loss, (state, {"metrics": {**aux["metrics"], "norm": norm}})

    _, metrics = linear.chunk(keys, objective=with_norm)(linear.states(keys), 2)
    assert set(metrics[0]) == {"loss", "accuracy", "norm"}
    assert np.all(np.asarray(metrics[0]["norm"][:2]) > 0)


def test_convolutions_on_a_cpu_are_dispatched_by_step():
    assert train.choose_dispatch(True, "cpu") == "step"
    assert train.choose_dispatch(False, "cpu") == "scan"
    assert train.choose_dispatch(True, "gpu") == "scan"


def test_unknown_dispatch_is_refused(linear, keys):
    with pytest.raises(ValueError, match=r"'loop'.*'scan' and 'step'"):
        linear.chunk(keys, dispatch="loop")
