"""Training subsets: drawn by the key, without replacement, in equal shares if asked."""

import jax
import numpy as np
import pytest

from cmd_jax import data

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [40, 20, 20, 20]))


@pytest.mark.parametrize("stratified", [False, True])
def test_draws_without_replacement_and_by_the_key(stratified):
    subset = data.make_subset(LABELS, 30, num_classes=4, stratified=stratified)
    draws = [np.asarray(subset.draw(jax.random.key(seed))) for seed in (0, 0, 1)]
    assert all(len(np.unique(rows)) == 30 for rows in draws)
    assert (draws[0] == draws[1]).all()
    assert set(draws[0]) != set(draws[2])
    counts = np.bincount(LABELS[draws[0]], minlength=4)
    assert (counts.tolist() == [12, 6, 6, 6]) == stratified


def test_a_uniform_subset_takes_every_example_alike():
    subset = data.make_subset(LABELS, 50, num_classes=4)
    rows = jax.vmap(subset.draw)(jax.random.split(jax.random.key(0), 400))
    shares = np.bincount(np.ravel(rows), minlength=100) / 400
    assert abs(shares - 0.5).max() < 5 * 0.025


def test_side_by_side_is_one_by_one():
    subset = data.make_subset(LABELS, 10, num_classes=4, stratified=True)
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.vmap(subset.draw)(keys)
    np.testing.assert_array_equal(together, [subset.draw(key) for key in keys])


@pytest.mark.parametrize("size", [3, 101])
def test_refuses_fewer_than_the_classes_and_more_than_there_are(size):
    with pytest.raises(ValueError, match=rf"{size} examples; allowed are 4 .* to 100"):
        data.make_subset(LABELS, size, num_classes=4)
