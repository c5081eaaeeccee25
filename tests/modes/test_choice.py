"""Modes are counted where they were planted, and refused where there are none."""

import jax
import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.modes import choice
from cmd_jax.trajectory import Trajectory

OPTIONS = {"num_samples": 200, "num_walks": 2000}


def choose(trajectory, candidates, key, **options):
    return modes.choose_num_modes(
        trajectory, candidates=candidates, **{**OPTIONS, **options}, key=key
    )


@pytest.mark.parametrize("planted", [3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_planted_modes_are_counted(make_planted, as_tree, key, planted, noise):
    history, _ = make_planted(40, 1500, planted, noise=noise)
    found = choose(as_tree(history), (1, 2, 3, 5, 8), key)
    assert found.suggested == planted
    assert f"M = {planted}" in found.reason
    assert (found.null_r_squared < 0.75).all()
    at = found.candidates.tolist().index(planted)
    assert found.r_squared[at] > (0.999 if noise == 0 else 0.9)


def test_walks_do_not_rise_above_chance(make_walks, as_tree, key):
    found = choose(as_tree(make_walks(21, 2000)), (1, 3, 8), key)
    assert found.suggested is None
    assert "do not rise above chance" in found.reason
    np.testing.assert_allclose(found.r_squared, found.null_r_squared, atol=0.04)
    assert (np.diff(found.r_squared) > 0).all()  # though it grows with M


@pytest.mark.parametrize("method", modes.METHODS)
def test_r_squared_is_that_of_decompose_and_of_the_null(
    make_walks, as_tree, store, key, method
):
    stored = store(as_tree(make_walks(9, 900)))
    found = choose(stored, (5, 2), key, method=method)
    assert found.candidates.tolist() == [2, 5]
    for number, r_squared, null in zip(*found[:3], strict=True):
        options = {"num_modes": int(number), "method": method, "key": key}
        fit = modes.decompose(stored, num_samples=200, **options)
        walks = modes.random_walk_null(stored, **OPTIONS, **options)
        assert r_squared == fit.mean_r_squared
        assert null == walks.r_squared


def test_leaves_that_are_left_out_do_not_count(make_planted, make_walks, key):
    history, _ = make_planted(40, 600, 2)
    params = {"planted": history, "walks": make_walks(40, 600)}
    trajectory = Trajectory(params, np.arange(40))
    mask = {"planted": True, "walks": False}
    found = choose(trajectory, (1, 2, 5), key, mask=mask)
    assert found.suggested == 2
    assert found.r_squared[1] > 0.999


def test_the_smallest_number_of_those_as_good_is_suggested():
    null = np.array([0.3, 0.4, 0.5])
    gains = np.array([0.2, 0.31, 0.32])
    assert choice._suggest([1, 2, 4], null + gains, null)[0] == 2
    assert choice._suggest([1, 2, 4], null + gains / 10, null)[0] is None


def test_what_cannot_be_tried_is_refused(make_walks, as_tree):
    trajectory, key = as_tree(make_walks(9, 300)), jax.random.key(0)
    with pytest.raises(ValueError, match="candidates is empty"):
        choose(trajectory, (), key)
    with pytest.raises(ValueError, match="num_modes is 201"):
        choose(trajectory, (2, 201), key)
    with pytest.raises(ValueError, match="num_modes is 0"):
        choose(trajectory, (0, 2), key)
