import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from cmd_jax import trees

PARAMS = {
    "dense": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.arange(6.0, 9.0)},
    "list": [jnp.array(9.0), (jnp.arange(10.0, 12.0),)],
}


def test_names_sizes_and_count():
    names = ("dense/bias", "dense/kernel", "list/0", "list/1/0")
    assert trees.leaf_names(PARAMS) == names
    assert trees.leaf_sizes(PARAMS).tolist() == [3, 6, 1, 2]
    assert trees.count(PARAMS) == 12
    assert trees.leaf_names({}) == ()
    assert trees.count({}) == 0


def test_shapes_count_as_arrays():
    shapes = jax.eval_shape(lambda: PARAMS)
    assert trees.leaf_sizes(shapes).tolist() == [3, 6, 1, 2]


def test_locate_inverts_ravel_pytree():
    flat, _ = ravel_pytree(PARAMS)
    coordinates = np.array([11, 0, 2, 3, 8, 9, 10])
    leaf, offset = trees.locate(coordinates, trees.leaf_sizes(PARAMS))
    leaves = jax.tree.leaves(PARAMS)
    found = [leaves[i].ravel()[j] for i, j in zip(leaf, offset, strict=True)]
    np.testing.assert_array_equal(found, flat[coordinates])


def test_locate_passes_over_empty_leaves():
    leaf, offset = trees.locate(np.array([1, 2, 3]), [2, 0, 2])
    assert leaf.tolist() == [0, 2, 2]
    assert offset.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", True), ("bfloat16", True), ("int32", False), ("bool", False)],
)
def test_is_float(dtype, expected):
    assert trees.is_float(jax.ShapeDtypeStruct((2,), dtype)) is expected


def test_mask_is_a_prefix():
    mask = {"dense": False, "list": [True, False]}
    assert trees.broadcast_mask(mask, PARAMS) == (False, False, True, False)
    assert trees.broadcast_mask(None, PARAMS) == (True,) * 4
    assert trees.broadcast_mask(np.bool_(False), PARAMS) == (False,) * 4


def test_a_subtree_is_a_whole_component_of_the_path():
    names = ["a/b/c", "a/bb", "b"]
    assert trees.leaves_within(names, "a/b") == [0]
    assert trees.leaves_within(names, None) == [0, 1, 2]
    for absent in ("a/b/", "", "c", "a/b/c/d"):
        with pytest.raises(ValueError, match=f"no subtree {absent!r}.* are a, b"):
            trees.leaves_within(names, absent)


def test_mask_that_is_no_prefix():
    with pytest.raises(ValueError, match="not a pytree prefix"):
        trees.broadcast_mask({"dense": True}, PARAMS)


@pytest.mark.parametrize("flag", [1, "kernel", 0.5])
def test_mask_of_something_else(flag):
    with pytest.raises(ValueError, match=f"mask holds {flag!r}"):
        trees.broadcast_mask(flag, PARAMS)
