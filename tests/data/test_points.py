"""Circles and moons: scikit-learn's points, split once, and taken as they are."""

import numpy as np
import pytest
from sklearn.datasets import make_circles, make_moons

from cmd_jax import data


@pytest.mark.parametrize(
    ("name", "make"),
    [("circles", lambda **o: make_circles(factor=0.3, **o)), ("moons", make_moons)],
)
def test_are_scikit_learns_points(name, make):
    dataset = data.load(name, num_validation=100)
    expected, labels = make(n_samples=1000, noise=0.05, random_state=0)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part.labels) for part in parts] == [700, 100, 200]
    points = np.concatenate([part.inputs.reshape(-1, 2) for part in parts])
    found = np.concatenate([part.labels for part in parts])
    order, order_expected = np.lexsort(points.T), np.lexsort(np.float32(expected).T)
    np.testing.assert_array_equal(points[order], np.float32(expected)[order_expected])
    np.testing.assert_array_equal(found[order], labels[order_expected])
    inputs = data.augmenter(dataset)(dataset.test.inputs)
    np.testing.assert_array_equal(inputs, dataset.test.inputs)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_examples": 9}, ValueError, "at least 10"),
        ({"noise": -0.1}, ValueError, "must not be negative"),
        ({"factor": 0.5}, TypeError, "no option 'factor'; allowed are noise, num_ex"),
    ],
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        data.load("circles", **options)
