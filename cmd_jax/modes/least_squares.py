"""Assignment and least squares for a block of weights: a pure, jitted function.

Steps 6 and 7 of CMD (arXiv 2312.13247, §3). With the rows

    r̂_m = (r_m - mean(r_m)) / |r_m - mean(r_m)|

one product of r̂_1 ... r̂_M and 1/T with the history w of some weights gives, for
weight i,

    c(i) = argmax_m |<w_i, r̂_m>|                   the mode
    a_i = <w_i, r̂_c(i)> / |r_c(i) - mean(r_c(i))|  the slope
    b_i = mean(w_i) - a_i mean(r_c(i))             the intercept

because r̂_m has zero mean; the norm of w_i matters to the correlation only. Histories
are taken relative to the first record, which drops out of the sums.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from cmd_jax.types import Array, ArrayLike

_UNCORRELATED = np.float32(1e-30)  # the |correlation| of a weight that does move


class References(NamedTuple):
    """What a block is multiplied with, and the scales of the references.

    Attributes:
      rows: r̂ of each mode, then 1/T; without the first record.
      norm: |r - mean(r)|, 0 for a reference that never moved.
      mean: mean(r).
    """

    rows: Float32[ArrayLike, "rows _"]
    norm: Float32[ArrayLike, " modes"]
    mean: Float32[ArrayLike, " modes"]


class BlockFit(NamedTuple):
    """The fit of a block's weights.

    Attributes:
      labels: c, the mode.
      slope: a; 0 where the reference never moved.
      intercept: b.
      mean: the mean over the records, minus the first record.
      correlation: |correlation with the reference|; 0 for a weight that never moved and
        for no other one.
    """

    labels: UInt8[Array, " weights"]
    slope: Float32[Array, " weights"]
    intercept: Float32[Array, " weights"]
    mean: Float32[Array, " weights"]
    correlation: Float32[Array, " weights"]


def normalise(history: Float32[np.ndarray, "records modes"]) -> References:
    """The rows and scales of reference weights, computed in float64."""
    exact = history.astype(np.float64)
    mean = exact.mean(axis=0)
    norm = np.linalg.norm(exact - mean, axis=0)
    directions = (exact - mean) / np.where(norm > 0, norm, 1)
    uniform = np.full((1, len(exact)), 1 / len(exact))
    rows = np.concatenate([directions.T, uniform])[:, 1:]
    return References(*(x.astype(np.float32) for x in (rows, norm, mean)))


@jax.jit
def fit_block(
    origin: Float32[ArrayLike, " weights"],
    motion: Float32[ArrayLike, "_ weights"],
    references: References,
) -> BlockFit:
    """Assigns and fits the weights of a block.

    Args:
      origin: the weights at the first record.
      motion: those of the later records, minus `origin`.
      references: the references, as `normalise` gives them.
    """
    origin, motion = jnp.asarray(origin), jnp.asarray(motion)
    # In full float32: GPUs and TPUs otherwise round the factors to fewer bits.
    highest = jax.lax.Precision.HIGHEST
    products = jnp.matmul(references.rows, motion, precision=highest)
    labels, strongest = _largest(products[:-1])
    mean = products[-1]
    norm, reference_mean = (
        jnp.asarray(table)[labels] for table in (references.norm, references.mean)
    )
    slope = jnp.where(norm > 0, strongest / norm, 0)
    intercept = origin + (mean - slope * reference_mean)
    # From the slope: what XLA fuses on a CPU it computes again for every result.
    explained = (slope * norm) ** 2
    squares, num_records = _sum_of_squares(motion), len(motion) + 1
    # Rounding must not make the part larger than the whole.
    energy = jnp.maximum(squares - num_records * mean**2, explained)
    correlation = jnp.maximum(jnp.sqrt(explained / energy), _UNCORRELATED)
    correlation = jnp.where(squares == 0, 0, correlation)
    return BlockFit(labels, slope, intercept, mean, correlation)


def _largest(
    products: Float32[Array, "modes weights"],
) -> tuple[UInt8[Array, " weights"], Float32[Array, " weights"]]:
    """Row and value of the largest magnitude in each column, the first in a tie."""
    # XLA fuses this running maximum into one loop; argmax and a gather are many times
    # slower on a CPU.
    largest = products[0]
    labels = jnp.zeros(largest.shape, jnp.uint8)
    for mode in range(1, len(products)):
        larger = jnp.abs(products[mode]) > jnp.abs(largest)
        largest = jnp.where(larger, products[mode], largest)
        labels = jnp.where(larger, jnp.uint8(mode), labels)
    return labels, largest


def _sum_of_squares(motion: Float32[Array, "_ weights"]) -> Float32[Array, " weights"]:
    """The sum over records, added up record by record."""
    # XLA's reductions over the leading axis are slow on a CPU; an unrolled loop is
    # fused, and the number of records does not add to the time of compiling.
    return jax.lax.fori_loop(
        0,
        len(motion),
        lambda record, total: total + motion[record] ** 2,
        jnp.zeros(motion.shape[1]),
        unroll=32,
    )
