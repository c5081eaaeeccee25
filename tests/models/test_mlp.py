"""The MLP against the same network in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models


def test_forward_equals_numpy() -> None:
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype(np.float32)
    network = models.create("mlp", num_classes=3, hidden=(16, 8))
    params, state = jax.jit(network.init)(jax.random.key(0), jnp.asarray(images))
    x = images.reshape(5, -1).astype(np.float64)
    for layer in range(3):
        x = np.maximum(x, 0) if layer else x
        dense = params[f"dense_{layer}"]
        x = x @ np.asarray(dense["kernel"], np.float64) + np.asarray(dense["bias"])
    logits, _ = network.apply(params, state, jnp.asarray(images))
    np.testing.assert_allclose(logits, x, rtol=1e-4, atol=1e-5)


def test_without_hidden_layers_is_linear() -> None:
    network = models.create("mlp", num_classes=3, hidden=())
    params, _ = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))
    assert jax.tree.map(jnp.shape, params) == {
        "dense_0": {"kernel": (4, 3), "bias": (3,)}
    }


def test_every_weight_lies_within_its_fan_in_bound() -> None:
    network = models.create("mlp", num_classes=10, hidden=(64,))
    params, _ = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 10, 10, 1)))
    for layer, fan_in in (("dense_0", 100), ("dense_1", 64)):
        for values in params[layer].values():
            assert 0.8 * fan_in**-0.5 < abs(values).max() <= fan_in**-0.5


def test_may_have_no_biases_and_scaled_weights() -> None:
    network = models.create(
        "mlp", num_classes=3, hidden=(8,), use_bias=False, init_scale=0.5
    )
    params, _ = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 5, 5, 1)))
    assert set(params["dense_0"]) == set(params["dense_1"]) == {"kernel"}
    assert 0.8 < abs(params["dense_0"]["kernel"]).max() / (0.5 * 25**-0.5) <= 1


@pytest.mark.parametrize("hidden", [(8, 0), (8, 2.5), "8"])
def test_refuses_what_is_no_width(hidden) -> None:
    with pytest.raises((ValueError, TypeError), match=r"hidden"):
        models.create("mlp", num_classes=3, hidden=hidden)
