import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory.layout import (
    check_leaves,
    layout_from_json,
    layout_to_json,
    make_layout,
    rebuild,
)
from cmd_jax.trajectory.selection import leaf_indices
from cmd_jax.trees import leaf_names


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def layout_of(params, dtype="float32", select=None):
    return make_layout(params, leaf_indices(params, select), select=select, dtype=dtype)


def test_leaves_are_aligned_and_do_not_overlap(make_params):
    layout = layout_of(make_params(0))
    offsets = [leaf.offset for leaf in layout.leaves]
    assert offsets == [0, 64, 128, 192]
    assert layout.record_bytes == 256


def test_names_are_those_of_trees(make_params):
    params = {**make_params(0), "list": [np.zeros(1), Pair(np.zeros(1), np.zeros(2))]}
    names = tuple(leaf.name for leaf in layout_of(params).leaves)
    assert names == leaf_names(params)


def test_deltas_halve_the_floats_only():
    params = {"count": np.zeros(64, np.int32), "kernel": np.zeros(64, np.float32)}
    layout = layout_of(params, dtype="bfloat16_delta")
    assert [leaf.num_bytes for leaf in layout.leaves] == [256, 128]


@pytest.mark.parametrize("select", [None, "dense/*"])
def test_json_round_trip(make_params, select):
    layout = layout_of(make_params(0), select=select)
    assert layout_from_json(json.loads(json.dumps(layout_to_json(layout)))) == layout


def test_shapes_are_as_good_as_arrays(make_params):
    shapes = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, make_params(0)))
    assert layout_of(shapes) == layout_of(make_params(0))


def test_rebuild_gives_dicts_and_lists():
    params = {"b": [np.zeros(1), {"x": np.zeros(1)}], "a": (np.zeros(1),), 3: 0.0}
    tree = rebuild(layout_of({"root": params["b"], "top": params["a"]}))
    assert tree == {"root": [0, {"x": 1}], "top": [2]}


def test_rebuild_of_a_single_array():
    assert rebuild(layout_of(np.zeros(3))) == 0


@pytest.mark.parametrize(
    "params", [Pair(np.zeros(1), np.zeros(1)), [None, np.zeros(1)]]
)
def test_rebuild_refuses_what_it_cannot_know(params):
    with pytest.raises(ValueError, match="no dict, list or tuple"):
        rebuild(layout_of(params))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"kernel": np.zeros((5, 4), np.float32)},
            r"float32\[5, 4\] .*float32\[5, 3\]",
        ),
        (
            {"kernel": np.zeros((5, 3), np.float64)},
            r"float64\[5, 3\] .*float32\[5, 3\]",
        ),
        ({"kernel": None}, r"'dense/kernel' is missing in x and float32\[5, 3\]"),
        (
            {"scale": np.zeros(2)},
            r"'dense/scale' is float64\[2\] in x and missing in y",
        ),
    ],
)
def test_check_names_the_leaf_of_another_network(make_params, change, message):
    params = make_params(0)
    other = {**params, "dense": {**params["dense"], **change}}
    with pytest.raises(ValueError, match=message):
        check_leaves(layout_of(params), other, source="x", owner="y")


@pytest.mark.parametrize("params", [{}, {"empty": np.zeros(0)}])
def test_nothing_to_record(params):
    with pytest.raises(ValueError, match="nothing to record"):
        layout_of(params)


def test_leaf_that_is_no_number():
    with pytest.raises(TypeError, match="'key' is key<fry>"):
        layout_of({"key": jax.random.key(0)})


def test_unknown_dtype(make_params):
    with pytest.raises(ValueError, match=r"'bfloat16'.*float32, bfloat16_delta"):
        layout_of(make_params(0), dtype="bfloat16")
