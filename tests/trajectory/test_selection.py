import jax
import numpy as np
import pytest

from cmd_jax.trajectory.selection import (
    leaf_indices,
    sample_coordinates,
    split_coordinates,
    validate_select,
)


def test_sample_is_distinct_sorted_and_among_the_float_weights(make_params):
    coordinates = sample_coordinates(make_params(0), 10, key=jax.random.key(1))
    # counter is coordinate 0, used are the last two: neither is a weight.
    assert np.all(np.diff(coordinates) > 0)
    assert coordinates.min() >= 1
    assert coordinates.max() <= 18


def test_sample_of_everything_is_every_float_weight(make_params):
    coordinates = sample_coordinates(make_params(0), 18, key=jax.random.key(1))
    assert coordinates.tolist() == list(range(1, 19))


def test_sample_is_uniform():
    params = {"a": np.zeros(3, np.float32), "b": np.zeros(7, np.float32)}
    hits = np.zeros(10)
    for seed in range(600):
        hits[sample_coordinates(params, 3, key=jax.random.key(seed))] += 1
    # 180 expected at each coordinate, standard deviation 11.2.
    assert np.all(np.abs(hits - 180) < 5 * 11.2)


def test_sample_depends_on_the_key_alone(make_params):
    draws = [
        sample_coordinates(make_params(0), 9, key=jax.random.key(seed)).tolist()
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize("num_coordinates", [0, -1, 19])
def test_sample_of_impossible_size(make_params, num_coordinates):
    with pytest.raises(ValueError, match=f"select={num_coordinates}.*at most the 18"):
        sample_coordinates(make_params(0), num_coordinates, key=jax.random.key(0))


def test_sample_without_key(make_params):
    with pytest.raises(ValueError, match="pass key"):
        sample_coordinates(make_params(0), 2, key=None)


def test_pattern_spans_folders(make_params):
    whole = slice(None)
    assert leaf_indices(make_params(0), "*kernel") == (None, None, whole, None)
    assert leaf_indices(make_params(0), "dense/*") == (None, whole, whole, None)


def test_pattern_without_match_lists_the_leaves(make_params):
    with pytest.raises(ValueError, match=r"'\*/scale' matches none of .*dense/bias"):
        leaf_indices(make_params(0), "*/scale")


def test_split_coordinates_takes_the_scalars_of_the_concatenation():
    leaves = [np.arange(4.0), np.arange(4.0, 6.0), np.arange(6.0, 12.0)]
    coordinates = np.array([0, 3, 7, 11])
    parts = split_coordinates(coordinates, [4, 2, 6])
    assert parts[1] is None
    taken = [
        leaf[part] for leaf, part in zip(leaves, parts, strict=True) if part is not None
    ]
    np.testing.assert_array_equal(np.concatenate(taken), coordinates)


@pytest.mark.parametrize("select", [True, 0.5, ["kernel"]])
def test_select_of_another_type(select):
    with pytest.raises(TypeError, match="allowed are None"):
        validate_select(select)
