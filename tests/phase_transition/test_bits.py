"""Sign units on packed patterns against sums of signs."""

import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.phase_transition import bits


def _unpacked(words):
    return np.asarray(words)[..., None] >> np.arange(32, dtype=np.uint32) & 1


@pytest.mark.parametrize("number", [3, 5, 7, 9, 11, 21])
def test_the_majority_is_the_sign_of_the_sum(number):
    words = np.random.default_rng(number).integers(0, 2**32, (number, 40), np.uint32)
    signs = 1 - 2 * _unpacked(words).astype(int)
    found = _unpacked(bits.majority(list(jnp.asarray(words))))
    assert (found == (signs.sum(axis=0) < 0)).all()


@pytest.mark.parametrize("number", [2, 4, 6, 8, 20])
def test_compare_tells_more_and_as_many(number):
    words = np.random.default_rng(number).integers(0, 2**32, (number, 40), np.uint32)
    ones = _unpacked(words).sum(axis=0)
    above, tied = (_unpacked(x) for x in bits.compare(list(jnp.asarray(words))))
    assert (above == (2 * ones > number)).all()
    assert (tied == (2 * ones == number)).all()


@pytest.mark.parametrize("number", [1, 31, 32, 33, 70])
def test_valid_counts_the_patterns(number):
    words = bits.valid(number, 3)
    assert _unpacked(words).reshape(-1).tolist() == [1] * number + [0] * (96 - number)


def test_pack_keeps_the_order_of_patterns():
    flags = np.random.default_rng(0).random((2, 50, 3)) < 0.5
    packed = bits.pack(jnp.asarray(flags))
    assert packed.shape == (2, 2, 3)
    unpacked = np.moveaxis(_unpacked(packed), -1, -2).reshape(2, 64, 3)
    assert (unpacked[:, :50] == flags).all()
    assert not unpacked[:, 50:].any()


def test_signs_and_words_of_equal_bits():
    signs = np.array([1, -1, -1], np.int8)
    assert bits.to_bits(signs).tolist() == [0, 2**32 - 1, 2**32 - 1]
    assert (bits.to_signs(bits.to_bits(signs)) == signs).all()
