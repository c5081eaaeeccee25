"""The transport cost against a finite sum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.least_action import transport_cost


@pytest.fixture
def residues():
    draws = np.random.default_rng(0)
    shapes = [(6, 4, 4, 3), (6, 2, 2, 8), (6, 5)]
    return [jnp.asarray(draws.normal(size=shape), np.float32) for shape in shapes]


def _expected(residues, reduction):
    total = 0.0
    for v in (np.asarray(v, np.float64) for v in residues):
        examples = [sum(float(entry) ** 2 for entry in x.ravel()) for x in v]
        if reduction == "norm":
            total += sum(examples) ** 0.5
        else:
            mean = sum(examples) / len(examples)
            total += mean / (v[0].size if reduction == "mean" else 1)
    return total


@pytest.mark.parametrize("reduction", ["sum", "mean", "norm"])
def test_is_the_finite_sum(residues, reduction):
    found = transport_cost(residues, reduction=reduction)
    np.testing.assert_allclose(found, _expected(residues, reduction), rtol=1e-6)


def test_is_computed_in_float32(residues):
    half = [v.astype(jnp.bfloat16) for v in residues]
    assert transport_cost(half).dtype == jnp.float32


def test_the_norm_has_a_gradient_where_nothing_moves():
    gradient = jax.grad(lambda v: transport_cost([v], reduction="norm"))
    assert np.isfinite(gradient(jnp.zeros((3, 2)))).all()


@pytest.mark.parametrize(
    ("residues", "reduction", "message"),
    [
        ([], "sum", "no block that keeps the dimension"),
        ([jnp.zeros(())], "sum", r"block 0 has the shape \(\)"),
        ([jnp.zeros((4, 2)), jnp.zeros((3, 2))], "sum", "block 1"),
        ([jnp.zeros((4, 2))], "median", "'sum', 'mean', 'norm'"),
    ],
)
def test_refuses(residues, reduction, message):
    with pytest.raises(ValueError, match=message):
        transport_cost(residues, reduction=reduction)
