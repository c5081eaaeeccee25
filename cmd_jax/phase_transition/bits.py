"""Signs as bits: 32 patterns in a word, sign units by counting bits in parallel.

A sign s is the bit b with s = (-1)^b, so a product of signs is an exclusive or, and a
weight is a word of equal bits. The number of ones among several words is added up bit
by bit, for all patterns of a word at once.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int8, Int32, UInt32

WORD = 32  # patterns


def num_words(num_patterns: int) -> int:
    """Words that hold so many patterns."""
    return -(-num_patterns // WORD)


def to_bits(signs: Int8[np.ndarray, "*any"]) -> UInt32[np.ndarray, "*any"]:
    """Words of equal bits: 0 for the sign +1, all ones for -1."""
    return np.where(signs < 0, np.uint32(0xFFFFFFFF), np.uint32(0))


def to_signs(words: UInt32[np.ndarray, "*any"]) -> Int8[np.ndarray, "*any"]:
    """The signs of words of equal bits."""
    return np.where(words & 1, np.int8(-1), np.int8(1))


def valid(num_patterns: int, length: int) -> UInt32[np.ndarray, " words"]:
    """`length` words with ones for the first patterns and zeros for what is padding."""
    bits = np.arange(length * WORD).reshape(length, WORD) < num_patterns
    return (bits.astype(np.uint32) << np.arange(WORD, dtype=np.uint32)).sum(
        axis=1, dtype=np.uint32
    )


def pack(bits: Array) -> Array:
    """Packs bools [..., patterns, units] into words [..., words, units].

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.phase_transition import bits
      >>> bits.pack(jnp.array([[True, False], [True, True]])).tolist()
      [[3, 2]]
    """
    *batch, patterns, units = bits.shape
    length = num_words(patterns)
    padding = [(0, 0)] * len(batch) + [(0, length * WORD - patterns), (0, 0)]
    padded = jnp.pad(bits.astype(jnp.uint32), padding)
    blocks = padded.reshape(*batch, length, WORD, units)
    places = jax.lax.broadcasted_iota(jnp.uint32, blocks.shape, blocks.ndim - 2)
    return (blocks << places).sum(axis=-2, dtype=jnp.uint32)


def count(words: UInt32[Array, "*any"]) -> Int32[Array, "*any"]:
    """The ones in each word."""
    return jax.lax.population_count(words).astype(jnp.int32)


def compare(words: Sequence[Array]) -> tuple[Array, Array]:
    """Whether more than half of an even number of words have a one, bit by bit.

    Returns:
      Above: where there are more ones than zeros; tied: where there are as many.
    """
    half = len(words) // 2
    num_planes = half.bit_length()  # 2^num_planes > half
    # The count starts so high that "above" is the carry into the highest plane, and
    # "tied" all ones below it.
    start = (1 << num_planes) - (half + 1)
    zeros = jnp.zeros_like(words[0])
    planes = [~zeros if start >> plane & 1 else zeros for plane in range(num_planes)]
    above = zeros
    for carry in words:
        for plane in range(num_planes):
            planes[plane], carry = planes[plane] ^ carry, planes[plane] & carry
        above = above | carry
    tied = ~above
    for plane in planes:
        tied = tied & plane
    return above, tied


def majority(words: Sequence[Array]) -> Array:
    """The bit that most of an odd number of words have: a sign unit's output.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.phase_transition import bits
      >>> words = [jnp.uint32(word) for word in (0b0011, 0b0101, 0b1001)]
      >>> int(bits.majority(words))
      1
    """
    above, tied = compare(words[:-1])
    return above | (tied & words[-1])
