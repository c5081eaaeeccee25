"""The landscape over two references against networks reconstructed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.trajectory import Trajectory


@pytest.fixture
def pair(make_planted, as_tree, key):
    history, _ = make_planted(12, 300, 2, noise=0.2)
    history[:, 7] = 4.0  # never moves
    return modes.decompose(as_tree(history), num_modes=2, num_samples=100, key=key)


def by_hand(fit, values):
    """a r_c + b with other values of the references, in float64."""
    columns = (jax.tree.leaves(tree) for tree in (fit.labels, fit.slope, fit.intercept))
    return np.concatenate(
        [
            (slope.astype(np.float64) * np.asarray(values)[labels] + intercept).ravel()
            for labels, slope, intercept in zip(*columns, strict=True)
        ]
    )


def ravel(params):
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(params)])


def test_every_network_is_that_of_its_two_references(pair):
    found = modes.reference_landscape(jax.jit(ravel), pair, num_values=4)
    np.testing.assert_array_equal(found.place, pair.reference_history[-1])
    for axis, last in zip((found.x, found.y), found.place, strict=True):
        np.testing.assert_allclose(axis[[0, -1]], last + 0.5 * abs(last) * np.r_[-1, 1])
    for row, column in np.ndindex(4, 4):
        expected = by_hand(pair, [found.x[column], found.y[row]])
        np.testing.assert_allclose(found.metrics[row, column], expected, atol=2e-5)
    np.testing.assert_allclose(found.final, ravel(modes.reconstruct(pair)))
    np.testing.assert_array_equal(found.metrics[..., 7], 4.0)


def test_the_references_take_the_values_on_the_axes(pair):
    found = modes.reference_landscape(ravel, pair, num_values=3, span=0.1)
    first, second = pair.references
    np.testing.assert_allclose(found.metrics[2, :, first], found.x, rtol=1e-6)
    np.testing.assert_allclose(found.metrics[:, 0, second], found.y, rtol=1e-6)
    np.testing.assert_allclose(found.metrics[1, 1], found.final, atol=1e-6)


def test_an_evaluation_is_compiled_once(pair):
    traces = []

    @jax.jit
    def evaluate(params):
        traces.append(1)
        return {"loss": ravel(params).sum()}

    found = modes.reference_landscape(evaluate, pair, num_values=5)
    assert len(traces) == 1
    assert found.metrics["loss"].shape == (5, 5)


def test_carried_leaves_stay(make_walks, key):
    params = {"count": np.arange(6), "w": make_walks(6, 30)}
    trajectory = Trajectory(params, np.arange(6))
    fit = modes.decompose(trajectory, num_modes=2, num_samples=20, key=key)
    counts = modes.reference_landscape(lambda p: p["count"], fit, num_values=2).metrics
    assert counts.tolist() == [[5, 5], [5, 5]] and counts.dtype == np.int32


def test_other_numbers_of_modes_and_too_small_grids_are_refused(
    make_walks, as_tree, pair, key
):
    three = modes.decompose(
        as_tree(make_walks(9, 90)),
        num_modes=3,
        num_samples=90,
        method="hierarchical",
        key=key,
    )
    with pytest.raises(ValueError, match="has 3 modes; a landscape is drawn over 2"):
        modes.reference_landscape(ravel, three)
    with pytest.raises(ValueError, match="num_values is 1"):
        modes.reference_landscape(ravel, pair, num_values=1)
