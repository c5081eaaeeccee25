"""The objective L + C / λ: its values, its limits, its state, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, train
from cmd_jax.least_action import regularize, transport_cost

KEY = jax.random.key(0)


def _trained(flow, objective, init_state, steps=12):
    """Parameters, losses and state after some steps of gradient descent."""
    _, params, state, batch = flow
    gradient = jax.value_and_grad(objective, has_aux=True)

    def step(carry, _):
        params, state = carry
        (_, (state, aux)), gradients = gradient(params, state, batch, KEY)
        params = jax.tree.map(lambda p, g: p - 0.003 * g, params, gradients)
        return (params, state), aux["metrics"]

    carry = (params, init_state(state))
    (params, state), metrics = jax.jit(
        lambda carry: jax.lax.scan(step, carry, length=steps)
    )(carry)
    return params, state, metrics


def test_the_loss_is_the_task_and_the_cost_over_the_multiplier(flow):
    network, params, state, batch = flow
    task = train.cross_entropy(network)
    loss, (_, aux) = task(params, state, batch, KEY)
    cost = transport_cost(aux["residues"])
    objective, init_state = regularize(task, initial=2.0, rate=3.0, every=1)
    found, (after, told) = objective(params, init_state(state), batch, KEY)
    value = 2.0 + 3.0 * float(loss)
    np.testing.assert_allclose(after.multiplier.value, value, rtol=1e-6)
    np.testing.assert_allclose(found, loss + cost / value, rtol=1e-6)
    assert told["metrics"]["task_loss"] == loss
    assert told["metrics"]["transport_cost"] == cost
    assert "accuracy" in told["metrics"]


def test_the_multiplier_follows_the_losses_of_its_steps(flow):
    objective, init_state = regularize(
        train.cross_entropy(flow[0]), initial=0.1, rate=0.1, every=5
    )
    _, state, metrics = _trained(flow, objective, init_state)
    losses = np.asarray(metrics["task_loss"], np.float64)
    rises = 0.1 * losses[[4, 9]].cumsum()
    expected = 0.1 + np.repeat([0, *rises], [4, 5, 3])
    np.testing.assert_allclose(metrics["multiplier"], expected, rtol=1e-5)
    assert state.multiplier.step == 12


def test_an_infinite_multiplier_is_vanilla(flow):
    task = train.cross_entropy(flow[0])
    vanilla = _trained(flow, *regularize(task, fixed=0.0))[0]
    plain = _trained(flow, _with_cost(task), lambda state: state)[0]
    far = _trained(flow, *regularize(task, initial=1e30))[0]
    near = _trained(flow, *regularize(task, initial=1.0))[0]
    for a, b, c in zip(*map(jax.tree.leaves, (vanilla, plain, far)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)
    kernels = [p["out_kernels"] for p in (vanilla, near)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3


def _with_cost(task):
    """The task itself, with the metrics that the regularised one has."""

    def objective(*arguments):
        loss, (state, aux) = task(*arguments)
        parts = {"task_loss": loss, "transport_cost": jnp.zeros(())}
        return loss, (state, {**aux, "metrics": {**aux["metrics"], **parts}})

    return objective


def test_a_constant_multiplier_is_a_fixed_weight(flow):
    task = train.cross_entropy(flow[0])
    constant = _trained(flow, *regularize(task, initial=4.0, rate=0.0))[0]
    fixed = _trained(flow, *regularize(task, fixed=0.25))[0]
    for a, b in zip(jax.tree.leaves(constant), jax.tree.leaves(fixed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_sum_with_both_numbers_times_the_features_is_the_mean(flow):
    task, features = train.cross_entropy(flow[0]), 2
    mean = _trained(flow, *regularize(task, initial=5, rate=1, reduction="mean"))
    summed = _trained(flow, *regularize(task, initial=5 * features, rate=features))
    for a, b in zip(jax.tree.leaves(mean[0]), jax.tree.leaves(summed[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_network_of_another_library_returns_its_residues():
    def objective(params, state, batch, key):
        del key
        v = batch["inputs"] * params
        loss = jnp.mean((batch["inputs"] + v - batch["labels"]) ** 2)
        return loss, (state, {"residues": [v]})

    regularized, init_state = regularize(objective, initial=1.0, rate=0.0)
    batch = {"inputs": jnp.ones((3, 2)), "labels": 2 * jnp.ones((3, 2))}
    loss, (_, aux) = regularized(jnp.float32(0.5), init_state(()), batch, KEY)
    assert (float(loss), float(aux["metrics"]["transport_cost"])) == (0.75, 0.5)


def test_a_network_without_blocks_is_refused():
    network = models.create("mlp", num_classes=2, hidden=(3,))
    images = jnp.zeros((2, 1, 1, 2))
    params, state = network.init(KEY, images)
    objective, init_state = regularize(train.cross_entropy(network))
    batch = {"inputs": images, "labels": jnp.zeros(2, int)}
    with pytest.raises(ValueError, match="no block that keeps the dimension"):
        objective(params, init_state(state), batch, KEY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": 0.0}, "λ_0 must be positive"),
        ({"initial": -1.0}, "λ_0 must be positive"),
        ({"initial": float("nan")}, "λ_0 must be positive"),
        ({"rate": -0.1}, "τ must not be negative"),
        ({"every": 0}, "s must be a whole number"),
        ({"every": True}, "s must be a whole number"),
        ({"initial": 2.0, "maximum": 1.0}, "λ_max must be at least λ_0 = 2.0"),
        ({"maximum": 1e39}, "a float32"),
        ({"fixed": -1.0}, "the weight must not be negative"),
        ({"reduction": "max"}, "'sum', 'mean', 'norm'"),
    ],
)
def test_refuses(flow, options, message):
    with pytest.raises(ValueError, match=message):
        regularize(train.cross_entropy(flow[0]), **options)
