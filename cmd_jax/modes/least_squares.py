"""Assignment and least squares for some weights: a pure function, jitted.

Steps 6 and 7 of CMD (arXiv 2312.13247, §3). With the rows

    r̂_m = (r_m - mean(r_m)) / |r_m - mean(r_m)|

the products of r̂_1 ... r̂_M and 1/T with the history w of some weights give, for
weight i,

    c(i) = argmax_m |<w_i, r̂_m>|                   the mode
    a_i = <w_i, r̂_c(i)> / |r_c(i) - mean(r_c(i))|  the slope
    b_i = mean(w_i) - a_i mean(r_c(i))             the intercept

because r̂_m has zero mean; the norm of w_i matters to R² only. Histories are taken
relative to the first record, which drops out of the sums: such a *motion* is exact in
float32 also where a weight is much larger than it moves.

This is for accelerators and meshes; `host_least_squares` does the same on a CPU.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from cmd_jax.types import Array, ArrayLike

UNCORRELATED = np.float32(1e-30)  # the R² of a weight that moves, at least


class References(NamedTuple):
    """What a motion is multiplied with, and the scales of the references.

    Attributes:
      rows: r̂ of each mode, then 1/T; without the first record.
      norm: |r - mean(r)|, 0 for a reference that never moved.
      mean: mean(r).
    """

    rows: Float32[ArrayLike, "rows _"]
    norm: Float32[ArrayLike, " modes"]
    mean: Float32[ArrayLike, " modes"]


class WeightFits(NamedTuple):
    """The fit of some weights.

    Attributes:
      labels: c, the mode.
      slope: a; 0 where the reference never moved.
      intercept: b.
      mean: the mean over the records, minus the first record.
      origin: the first record.
      explained: R²; 0 for a weight whose squares are 0 and for no other one, NaN where
        they are not finite.
    """

    labels: UInt8[ArrayLike, " weights"]
    slope: Float32[ArrayLike, " weights"]
    intercept: Float32[ArrayLike, " weights"]
    mean: Float32[ArrayLike, " weights"]
    origin: Float32[ArrayLike, " weights"]
    explained: Float32[ArrayLike, " weights"]


def normalise(history: Float32[np.ndarray, "records modes"]) -> References:
    """The rows and scales of reference weights, computed in float64."""
    exact = history.astype(np.float64)
    mean = exact.mean(axis=0)
    norm = np.linalg.norm(exact - mean, axis=0)
    directions = (exact - mean) / np.where(norm > 0, norm, 1)
    uniform = np.full((1, len(exact)), 1 / len(exact))
    rows = np.concatenate([directions.T, uniform])[:, 1:]
    return References(*(x.astype(np.float32, order="C") for x in (rows, norm, mean)))


@jax.jit
def fit_motion(
    history: Float32[ArrayLike, "records weights"], references: References
) -> WeightFits:
    """Fits weights by a matrix product, on any device and over any mesh."""
    history = jnp.asarray(history)
    motion = history[1:] - history[:1]
    # In full float32: GPUs and TPUs otherwise round the factors to fewer bits.
    highest = jax.lax.Precision.HIGHEST
    sums = jnp.matmul(references.rows, motion, precision=highest)
    products, mean = sums[:-1], sums[-1]
    labels = jnp.abs(products).argmax(axis=0)
    strongest = jnp.take_along_axis(products, labels[None], axis=0)[0]
    norm = jnp.asarray(references.norm)[labels]
    slope = jnp.where(norm > 0, strongest / norm, 0)
    return WeightFits(
        labels=labels.astype(jnp.uint8),
        slope=slope,
        intercept=history[0] + (mean - slope * jnp.asarray(references.mean)[labels]),
        mean=mean,
        origin=history[0],
        explained=_explained(strongest, mean, (motion**2).sum(axis=0), len(history)),
    )


def _explained(
    strongest: Array, mean: Array, squares: Array, num_records: int
) -> Float32[Array, " weights"]:
    """R²: the part of the sum of squares about the mean that lies along r̂_c."""
    part = strongest**2
    # Rounding must not make the part larger than the whole.
    energy = jnp.maximum(squares - num_records * mean**2, part)
    r_squared = jnp.maximum(part / energy, UNCORRELATED)
    r_squared = jnp.where(jnp.isfinite(energy), r_squared, jnp.nan)
    return jnp.where(squares == 0, 0, r_squared)
