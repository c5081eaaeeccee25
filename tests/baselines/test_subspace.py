"""The subspace of a run, and training inside it, against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy import optimize

from cmd_jax import baselines
from cmd_jax.trajectory import Trajectory


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def rows(directions):
    """[directions, weights] of leaves [directions, ...]."""
    leaves = jax.tree.leaves(directions)
    return np.concatenate([x.reshape(len(x), -1) for x in leaves], axis=1)


@pytest.fixture
def subspace(as_tree, make_walks):
    return baselines.principal_subspace(as_tree(make_walks(9, 60)), num_directions=5)


@pytest.fixture
def loss():
    """A convex quadratic of all weights, as an objective."""
    generator = np.random.default_rng(3)
    root = generator.standard_normal((60, 60)) / 8
    matrix = jnp.asarray(root @ root.T + 0.1 * np.eye(60), jnp.float32)
    target = jnp.asarray(generator.standard_normal(60), jnp.float32)

    def objective(params, state, batch, key):
        away = ravel_pytree(params)[0] - target
        return away @ matrix @ away / 2, (state, {"metrics": {}})

    return objective


@pytest.mark.parametrize("size", [0.0, 1e3])
def test_directions_are_the_principal_components(as_tree, make_walks, size):
    history = make_walks(9, 60, size=size)
    found = baselines.principal_subspace(as_tree(history), num_directions=4)
    exact = history.astype(np.float64)
    _, values, vectors = np.linalg.svd(exact - exact.mean(axis=0))
    products = np.abs(rows(found.directions) @ vectors[:4].T)
    np.testing.assert_allclose(products, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(
        found.explained, values[:4] ** 2 / (values**2).sum(), rtol=1e-6
    )
    np.testing.assert_array_equal(flat(found.origin), history[0])


def test_with_all_directions_every_record_is_in_the_subspace(as_tree, make_walks):
    history = make_walks(6, 60)
    found = baselines.principal_subspace(as_tree(history), num_directions=5)
    for record in history:
        place = rows(found.directions) @ (record - history[0])
        np.testing.assert_allclose(
            flat(found.at(place.astype(np.float32))), record, atol=1e-4
        )


def test_leaves_that_do_not_count_stay(as_tree, make_walks):
    trajectory = as_tree(make_walks(9, 60))
    mask = {"a": False, "b": True, "c": True}
    found = baselines.principal_subspace(trajectory, num_directions=2, mask=mask)
    moved = found.at(np.ones(2, np.float32))
    np.testing.assert_array_equal(moved["a"], trajectory[0]["a"])
    assert (moved["b"]["kernel"] != trajectory[0]["b"]["kernel"]).all()


def test_p_sgd_is_sgd_with_projected_gradients(subspace, loss, key):
    """w <- w - rate V'V g, with the momentum of the projected gradients."""
    optimizer = optax.sgd(0.1, momentum=0.9)
    restricted = baselines.restrict(loss)
    state = baselines.RestrictedState(None, subspace)
    coordinates, memory = jnp.zeros(5), optimizer.init(jnp.zeros(5))
    params, plain = subspace.origin, optimizer.init(subspace.origin)
    basis = rows(subspace.directions)
    for _ in range(10):
        (_, (state, _)), gradient = jax.value_and_grad(restricted, has_aux=True)(
            coordinates, state, None, key
        )
        updates, memory = optimizer.update(gradient, memory, coordinates)
        coordinates = optax.apply_updates(coordinates, updates)
        full, unravel = ravel_pytree(jax.grad(loss, has_aux=True)(params, 0, 0, key)[0])
        projected = unravel(basis.T @ (basis @ full))
        updates, plain = optimizer.update(projected, plain, params)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(flat(subspace.at(coordinates)), flat(params), atol=1e-4)


def test_p_bfgs_finds_what_scipys_bfgs_finds_in_the_subspace(subspace, loss, key):
    state = baselines.RestrictedState(None, subspace)

    def function(coordinates):
        return baselines.restrict(loss)(coordinates, state, None, key)[0]

    both = jax.jit(jax.value_and_grad(function))
    optimizer, coordinates = baselines.bfgs(), jnp.zeros(5)
    memory = optimizer.init(coordinates)
    step = jax.jit(
        lambda z, memory, value, gradient: optimizer.update(
            gradient, memory, z, value=value, value_fn=function
        )
    )
    for _ in range(25):
        value, gradient = both(coordinates)
        updates, memory = step(coordinates, memory, value, gradient)
        coordinates = coordinates + updates
    expected = optimize.minimize(
        lambda z: [np.float64(x) for x in both(jnp.asarray(z, jnp.float32))],
        np.zeros(5),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-4},
    )
    np.testing.assert_allclose(coordinates, expected.x, atol=2e-3)
    assert function(coordinates) <= expected.fun + 1e-4


@pytest.mark.parametrize("num_directions", [0, 9, 40])
def test_a_subspace_larger_than_the_records(as_tree, make_walks, num_directions):
    trajectory = as_tree(make_walks(9, 60))
    with pytest.raises(
        ValueError,
        match=f"num_directions is {num_directions}; allowed are 1 to 8: 9 records",
    ):
        baselines.principal_subspace(trajectory, num_directions=num_directions)


def test_records_that_span_less(make_walks):
    line = np.arange(6, dtype=np.float32)[:, None] * np.ones(20, np.float32)
    with pytest.raises(ValueError, match="the records span 1 directions only"):
        baselines.principal_subspace(Trajectory(line, np.arange(6)), num_directions=2)
