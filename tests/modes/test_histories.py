import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.modes.histories import modelled_leaves


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


def test_integer_and_masked_leaves_are_not_modelled():
    template = {
        "a": np.zeros(2, np.float16),
        "b": np.zeros(2, np.int8),
        "c": np.ones(1),
    }
    assert modelled_leaves(template, None) == [0, 2]
    assert modelled_leaves(template, {"a": False, "b": True, "c": True}) == [2]
