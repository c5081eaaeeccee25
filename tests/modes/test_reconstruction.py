import jax
import numpy as np
import pytest

from cmd_jax import modes


def ravel(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("size", [0.0, 1e4])
def test_is_the_float64_least_squares_fit(make_walks, as_tree, size, key):
    history = make_walks(30, 600, size=size)
    found = modes.decompose(as_tree(history), num_modes=4, num_samples=200, key=key)
    exact = history.astype(np.float64)
    reference = exact[:, found.references][:, ravel(found.labels)]
    centred = reference - reference.mean(axis=0)
    slope = (centred * exact).sum(axis=0) / (centred**2).sum(axis=0)
    motion = exact.std(axis=0)
    for record in (0, 17, -1):
        expected = exact.mean(axis=0) + slope * centred[record]
        error = np.abs(ravel(modes.reconstruct(found, record=record)) - expected)
        assert (error <= 1e-5 * motion + np.spacing(np.abs(history[0]))).all()


@pytest.mark.parametrize("size", [0.0, 1e4])
def test_references_and_constant_weights_come_back_exactly(
    make_walks, as_tree, size, key
):
    history = make_walks(9, 300, size=size)
    history[:, 3] = 0.1
    found = modes.decompose(as_tree(history), num_modes=6, num_samples=100, key=key)
    for record in range(9):
        rebuilt = ravel(modes.reconstruct(found, record=record))
        exact = [3, *found.references]
        np.testing.assert_array_equal(rebuilt[exact], history[record, exact])


def test_structure_and_dtypes_are_those_of_the_params(make_walks, as_tree, key):
    trajectory = as_tree(make_walks(9, 300))
    found = modes.decompose(trajectory, num_modes=2, num_samples=50, key=key)
    rebuilt = modes.reconstruct(found)
    assert jax.tree.structure(rebuilt) == jax.tree.structure(trajectory.template)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), rebuilt)
    assert shapes == jax.tree.map(lambda t: (t.shape, t.dtype), trajectory.template)


@pytest.mark.parametrize("record", [9, -10])
def test_a_record_that_is_not_there(make_walks, as_tree, record, key):
    found = modes.decompose(
        as_tree(make_walks(9, 60)), num_modes=2, num_samples=20, key=key
    )
    with pytest.raises(ValueError, match=f"record is {record}; allowed are -9 to 8"):
        modes.reconstruct(found, record=record)
