"""Max-pooling against Flax's, with its gradient."""

import functools
from collections.abc import Callable

import jax
import numpy as np
import pytest
from flax import linen as nn

from cmd_jax import models
from cmd_jax.models.pooling import overlapping_max_pool


def _gradient(pool: Callable, x: jax.Array) -> jax.Array:
    return jax.grad(lambda x: (pool(x) ** 2).sum())(x)


@pytest.mark.parametrize(("shape", "size"), [((2, 8, 6, 3), 2), ((1, 7, 9, 2), 3)])
def test_max_pool_equals_flax_with_its_gradient(
    shape: tuple[int, ...], size: int
) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    window = (size, size)
    flax = functools.partial(nn.max_pool, window_shape=window, strides=window)
    ours = functools.partial(models.max_pool, size=size)
    np.testing.assert_array_equal(ours(x), flax(x))
    np.testing.assert_allclose(_gradient(ours, x), _gradient(flax, x), rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 5, 2, 2), (1, 1, 1, 1)])
def test_overlapping_max_pool_equals_flax_with_its_gradient(
    shape: tuple[int, ...], stride: int
) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    flax = functools.partial(
        nn.max_pool,
        window_shape=(3, 3),
        strides=(stride, stride),
        padding=((1, 1), (1, 1)),
    )
    ours = functools.partial(overlapping_max_pool, stride=stride)
    np.testing.assert_array_equal(ours(x), flax(x))
    np.testing.assert_allclose(_gradient(ours, x), _gradient(flax, x), rtol=1e-6)
