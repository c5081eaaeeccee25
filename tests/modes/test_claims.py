"""The claims' numbers where they are known: planted, random and separate weights."""

import numpy as np
import pytest

from cmd_jax import modes


def test_a_random_partition_spreads_as_chance_does(key):
    rng = np.random.default_rng(0)
    totals, shares = [40, 2000, 600], [0.5, 0.3, 0.2]
    counts = np.array([rng.multinomial(total, shares) for total in totals])
    spread = modes.layer_spread(counts, key=key)
    np.testing.assert_array_equal(spread.num_leaves, 3)
    np.testing.assert_allclose(spread.overlap, spread.chance_overlap, atol=0.03)
    assert (spread.chance_overlap > 0.95).all()


def test_modes_that_keep_to_themselves_have_their_share_as_overlap(key):
    counts = np.diag([100, 300, 600])
    spread = modes.layer_spread(counts, key=key)
    np.testing.assert_array_equal(spread.num_leaves, 1)
    np.testing.assert_allclose(spread.overlap, [0.1, 0.3, 0.6])
    np.testing.assert_array_equal(spread.chance_num_leaves, 3)


def test_a_few_weights_reach_few_leaves_by_chance_too(key):
    counts = np.zeros((50, 2), np.int64)
    counts[:, 0] = 100
    counts[:2, 1] = 1
    spread = modes.layer_spread(counts, key=key)
    assert spread.chance_num_leaves[1] == pytest.approx(1.98, abs=0.05)
    assert spread.overlap[1] == pytest.approx(spread.chance_overlap[1], abs=0.01)


def test_a_mode_without_weights_has_no_overlap(key):
    spread = modes.layer_spread(np.array([[5, 0], [7, 0]]), key=key)
    assert spread.num_leaves.tolist() == [2, 0]
    assert spread.overlap[0] == 1 and np.isnan(spread.overlap[1])
    assert np.isnan(spread.chance_overlap[1])


def test_two_planted_blocks_and_what_belongs_to_neither(make_walks):
    rng = np.random.default_rng(0)
    signs = rng.permutation(np.repeat([1, -1, 0], [46, 45, 9]))
    noise = rng.normal(size=(60, 100))
    history = make_walks(60, 1) * signs + np.where(signs == 0, noise, 0.1 * noise)
    blocks = modes.two_blocks(modes.correlation_matrix(history.astype(np.float32)))
    np.testing.assert_array_equal(blocks.signs, signs)
    np.testing.assert_allclose(blocks.shares, [0.46, 0.45])
    assert blocks.within > 0.9 and blocks.between < -0.9


def test_the_larger_block_is_named_first_and_order_does_not_matter(make_walks):
    correlation = np.asarray(modes.correlation_matrix(make_walks(21, 80)))
    blocks = modes.two_blocks(correlation)
    assert blocks.shares[0] >= blocks.shares[1]
    order = np.random.default_rng(1).permutation(80)
    again = modes.two_blocks(correlation[np.ix_(order, order)])
    np.testing.assert_array_equal(again.signs, blocks.signs[order])
    assert again.within == pytest.approx(blocks.within)


def test_one_block_alone():
    blocks = modes.two_blocks(np.full((4, 4), 0.8) + 0.2 * np.eye(4))
    assert blocks.shares.tolist() == [1, 0]
    assert blocks.within == pytest.approx(0.8) and np.isnan(blocks.between)
