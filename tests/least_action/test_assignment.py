"""Clouds and the assignment gap, against brute force over all permutations."""

import itertools

import numpy as np
import pytest

from cmd_jax.least_action import assignment_gap, make_clouds


def test_the_gap_is_that_of_all_permutations():
    draws = np.random.default_rng(0)
    starts, ends = draws.normal(size=(2, 6, 3))
    costs = ((starts[:, None] - ends[None]) ** 2).sum(axis=2)
    rows = np.arange(6)
    best = min(costs[rows, list(p)].mean() for p in itertools.permutations(rows))
    expected = best / costs.diagonal().mean()
    assert assignment_gap(starts, ends) == pytest.approx(expected)
    assert expected < 1


def test_a_translation_is_optimal_and_rest_is_undefined():
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert assignment_gap(points, points + 3) == pytest.approx(1)
    assert np.isnan(assignment_gap(points, points))


def test_clouds_are_the_points_after_each_block(flow, euler):
    network, params, state, batch = flow
    (cloud,) = make_clouds(network)(params, state, batch["inputs"])
    steps = euler(params, batch["inputs"])
    points = [x for x, _ in steps] + [steps[-1][0] + 0.5 * steps[-1][1]]
    np.testing.assert_allclose(cloud, points, rtol=1e-4, atol=1e-4)
