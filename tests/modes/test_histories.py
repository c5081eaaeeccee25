import numpy as np
import pytest

from cmd_jax import modes


def test_gathers_columns_in_the_order_asked(make_walks, as_tree, store):
    history = make_walks(6, 100)
    trajectory = as_tree(history)
    coordinates = np.array([99, 0, 50, 33, 32])
    for source in (trajectory, store(trajectory)):
        found = modes.gather(source, coordinates)
        np.testing.assert_array_equal(found, history[:, coordinates])


def test_only_gathered_weights_must_be_finite(make_walks, as_tree):
    trajectory = as_tree(make_walks(6, 100))
    trajectory.params["a"][2, 7] = np.inf
    assert np.isfinite(modes.gather(trajectory, np.array([6, 8]))).all()
    with pytest.raises(ValueError, match=r"'a' holds inf at record 2 \(step 20\)"):
        modes.gather(trajectory, np.array([6, 7]))
