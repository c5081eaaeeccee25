"""BatchNorm against Flax's own and against NumPy, with either kind of statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cmd_jax import models

_MAPS = 3 * jax.random.normal(jax.random.key(0), (6, 5, 4, 3))
_MAPS += jnp.array([0, 5, -9]).reshape(1, 1, 1, 3)


def _trained() -> dict:
    """Parameters and running statistics that are no ones and zeros."""
    numbers = np.random.default_rng(0).uniform(0.5, 2, size=(4, 3)).astype(np.float32)
    scale, bias, mean, var = numbers
    return {
        "params": {"scale": scale, "bias": bias},
        "batch_stats": {"mean": mean, "var": var},
    }


@pytest.mark.parametrize(("train", "m"), [(True, 0.9), (True, 0.1), (False, 0.9)])
def test_running_statistics_equal_flax(train: bool, m: float) -> None:
    ours = models.BatchNorm("running", momentum=m)
    flax = nn.BatchNorm(use_running_average=not train, momentum=m, epsilon=1e-5)
    variables = _trained()
    found, moved = ours.apply(variables, _MAPS, train, mutable=["batch_stats"])
    expected, flax_moved = flax.apply(variables, _MAPS, mutable=["batch_stats"])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), moved, flax_moved
    )


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_the_gradient_is_that_of_the_formula(statistics: str) -> None:
    weights = jax.random.normal(jax.random.key(1), _MAPS.shape)
    params = _trained()["params"]

    def ours(maps: jax.Array, params: dict) -> jax.Array:
        variables = {**_trained(), "params": params}
        layer = models.BatchNorm(statistics)
        y, _ = layer.apply(variables, maps, True, mutable=["batch_stats"])
        return (weights * y).sum()

    def plain(maps: jax.Array, params: dict) -> jax.Array:
        mean, var = (f((0, 1, 2), keepdims=True) for f in (maps.mean, maps.var))
        z = (maps - mean) / jnp.sqrt(var + 1e-5)
        scale, bias = (params[x].reshape(1, 1, 1, 3) for x in ("scale", "bias"))
        return (weights * (z * scale + bias)).sum()

    found, expected = (
        jax.grad(f, argnums=(0, 1))(_MAPS, params) for f in (ours, plain)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5),
        found,
        expected,
    )


def test_batch_statistics_have_no_state_and_are_the_batchs_own_in_every_mode() -> None:
    layer = models.BatchNorm("batch")
    variables = layer.init(jax.random.key(0), _MAPS, train=False)
    assert set(variables) == {"params"}
    maps = np.asarray(_MAPS, np.float64)
    expected = (maps - maps.mean((0, 1, 2))) / np.sqrt(maps.var((0, 1, 2)) + 1e-5)
    for train in (True, False):
        found = layer.apply(variables, _MAPS, train)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_large_mean_does_not_drown_the_variance() -> None:
    maps = jax.random.normal(jax.random.key(0), (64, 32, 32, 1)) + 1000
    variables = models.BatchNorm("batch").init(jax.random.key(0), maps, False)
    found = np.asarray(models.BatchNorm("batch").apply(variables, maps, False))
    assert abs(found.std() - 1) < 1e-3


def test_bfloat16_maps_keep_float32_statistics() -> None:
    layer = models.BatchNorm("running", "bfloat16")
    maps = _MAPS.astype(jnp.bfloat16)
    variables = layer.init(jax.random.key(0), maps, train=False)
    y, moved = layer.apply(variables, maps, True, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, moved))} == {
        np.dtype("float32")
    }


def test_refuses_other_statistics_and_momenta() -> None:
    with pytest.raises(ValueError, match="statistics='none'; allowed are 'batch' and"):
        models.BatchNorm("none")
    with pytest.raises(ValueError, match=r"momentum=1.1; allowed is 0 to 1"):
        models.BatchNorm("running", momentum=1.1)
