"""An ensemble against the mean of its members' probabilities in NumPy."""

import jax
import numpy as np
import pytest
from scipy import special

from cmd_jax import models

_IMAGES = jax.random.normal(jax.random.key(0), (32, 4, 4, 1))
_NETWORK = models.create("mlp", num_classes=5, hidden=(8,))


def _members(number):
    keys = jax.random.split(jax.random.key(1), number)
    return tuple(_NETWORK.init(key, _IMAGES)[0] for key in keys)


def test_probabilities_are_the_members_mean() -> None:
    members = _members(3)
    ensemble = models.ensemble(_NETWORK, 3)
    logits, states = ensemble.apply(members, ({},) * 3, _IMAGES)
    each = [_NETWORK.apply(params, {}, _IMAGES)[0] for params in members]
    expected = special.softmax(np.array(each, np.float64), axis=-1).mean(0)
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-5)
    assert states == ({},) * 3


def test_of_equal_members_is_the_member() -> None:
    (params,) = _members(1)
    logits, _ = models.ensemble(_NETWORK, 2).apply((params,) * 2, ({},) * 2, _IMAGES)
    alone, _ = _NETWORK.apply(params, {}, _IMAGES)
    np.testing.assert_allclose(logits, jax.nn.log_softmax(alone), atol=1e-5)


def test_members_begin_differently() -> None:
    params, states = models.ensemble(_NETWORK, 2).init(jax.random.key(0), _IMAGES)
    first, second = (member["dense_0"]["kernel"] for member in params)
    assert states == ({}, {}) and (first != second).all()


def test_refuses_an_ensemble_of_none() -> None:
    with pytest.raises(ValueError, match="num_members=0; allowed is at least 1"):
        models.ensemble(_NETWORK, 0)
