"""Closed forms against enumeration of every pattern, and against exact moments."""

import itertools
import math

import numpy as np
import pytest

from cmd_jax.phase_transition import (
    critical_batch_size,
    flip_probability,
    gradient_noise_scale,
    linear_unit_batch_size,
    perfect_batch_size,
)


def patterns(length):
    return np.array(list(itertools.product([-1, 1], repeat=length)))


def turns(degree):
    """Which patterns of a sign unit's inputs turn it when the first weight is wrong."""
    inputs = patterns(degree)
    return np.sign(inputs.sum(axis=1)) != np.sign(inputs[:, 1:].sum(1) - inputs[:, 0])


def test_a_wrong_weight_shows_as_often_as_in_all_patterns():
    """d = 3: one hidden unit and its three outputs, every pattern of their inputs."""
    hidden = turns(3)
    others = patterns(6).reshape(-1, 3, 2)  # the other hidden units of each output
    seen = (others.sum(axis=2) == 0).any(axis=1)
    assert np.isclose(flip_probability(3), np.mean(np.outer(hidden, seen)), rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 3, 5, 7, 9])
def test_the_flip_probability_is_that_of_independent_outputs(degree):
    turned = turns(degree).mean()
    assert np.isclose(flip_probability(degree), turned * (1 - (1 - turned) ** degree))


def test_the_perfect_batch_leaves_one_weight_undetected():
    m = perfect_batch_size(num_units=400, degree=3)
    assert np.isclose(2 * 400 * 3 * (1 - flip_probability(3)) ** m, 1)


@pytest.mark.parametrize(("degree", "num_units"), [(4, 100), (0, 100), (3, 2)])
def test_impossible_networks_are_refused(degree, num_units):
    with pytest.raises(ValueError, match="degree is"):
        perfect_batch_size(num_units, degree)


@pytest.mark.parametrize("learning_rate", [0.5, 1.0, 1.6])
def test_sgd_neither_grows_nor_shrinks_at_the_critical_batch_size(learning_rate):
    """The mean square error after one step, over every batch of m = 2 of d inputs."""
    m, error = 2, np.array([0.3, -0.5, 0.1])
    growth = [
        np.sum((error - learning_rate / m * (np.array(x).T @ (x @ error))) ** 2)
        for x in (np.stack(pair) for pair in itertools.product(patterns(3), repeat=m))
    ]
    noise = 2.0  # d - 1
    expected = 1 - 2 * learning_rate + learning_rate**2 * (1 + noise / m)
    assert np.isclose(np.mean(growth) / np.sum(error**2), expected, rtol=1e-12)
    wins = critical_batch_size(noise, learning_rate) < m
    assert (expected < 1) == wins


def test_a_linear_unit_has_the_noise_scale_of_its_inputs():
    inputs = patterns(9).astype(float)
    error = np.random.default_rng(0).standard_normal(9)
    gradients = inputs * (inputs @ error)[:, None]
    assert np.isclose(gradient_noise_scale(gradients), 8, rtol=0.05)
    assert linear_unit_batch_size(9, 0.5) == critical_batch_size(8, 0.5)


def test_the_noise_scale_is_infinite_where_there_is_no_mean():
    assert gradient_noise_scale(np.array([[1.0], [-1.0]])) == np.inf
    with pytest.raises(ValueError, match="there are 1 gradients"):
        gradient_noise_scale(np.ones((1, 3)))


def test_no_batch_helps_beyond_the_stable_learning_rates():
    assert linear_unit_batch_size(3, 2.0) == math.inf
    for learning_rate in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="learning_rate is"):
            linear_unit_batch_size(3, learning_rate)
    with pytest.raises(ValueError, match="degree is 0"):
        linear_unit_batch_size(0, 0.1)
