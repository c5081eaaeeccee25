import jax
import numpy as np
import pytest

from cmd_jax.trajectory import TrajectoryWriter


@pytest.fixture
def make_params():
    """Parameters as a function of the step: floats that move, an integer and a bool."""

    def make(step):
        rng = np.random.default_rng(step)
        return {
            "counter": np.array(step, np.int32),
            "dense": {
                "bias": rng.normal(size=3).astype(np.float32),
                "kernel": 100 + rng.normal(size=(5, 3)).astype(np.float32),
            },
            "used": np.array([step % 2 == 0, True]),
        }

    return make


@pytest.fixture
def write_store(make_params):
    """Writes a store of some steps and returns its writer."""

    def write(path, steps=range(4), **options):
        writer = TrajectoryWriter.create(path, make_params(0), **options)
        for step in steps:
            writer.append(step, make_params(step))
        return writer

    return write


@pytest.fixture
def assert_trees_equal():
    """Bitwise equality of two trees of NumPy arrays, dtypes included."""

    def check(found, expected):
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
        for one, other in pairs:
            assert np.asarray(one).dtype == np.asarray(other).dtype
            np.testing.assert_array_equal(one, other)

    return check
