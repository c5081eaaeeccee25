"""Assignment and least squares for some weights: pure functions, jitted.

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

The products are made in three ways, for what XLA compiles well where: written out, a
matrix product of XLA, or one of the host's BLAS.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex64, Float32, UInt8

from cmd_jax.types import Array, ArrayLike

_UNCORRELATED = np.float32(1e-30)  # the R² of a weight that moves, at least
_LABEL_BITS = np.uint32(0xFF)
_WIDE_VECTORS = {"xla_cpu_prefer_vector_width": 512}  # bits; XLA's own choice is 256


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


class Packed(NamedTuple):
    """The fit of some weights as XLA gives it; `unpack` takes it apart.

    XLA CPU compiles a loop for each array that it returns and computes again in each
    what they share. One complex number holds all that depends on the products.

    Attributes:
      slope_and_rest: the slope, and a word of 24 bits of R² and 8 of the label.
      mean: the mean over the records, minus the first record.
    """

    slope_and_rest: Complex64[Array, " weights"]
    mean: Float32[Array, " weights"]


class WeightFits(NamedTuple):
    """The fit of some weights, to be written.

    Attributes:
      labels: c, the mode.
      slope: a; 0 where the reference never moved.
      mean: the mean over the records, minus the first record.
      explained: R², to 16 bits; 0 for a weight that never moved and for no other one.
    """

    labels: UInt8[np.ndarray, " weights"]
    slope: Float32[np.ndarray, " weights"]
    mean: Float32[np.ndarray, " weights"]
    explained: Float32[np.ndarray, " weights"]


def normalise(history: Float32[np.ndarray, "records modes"]) -> References:
    """The rows and scales of reference weights, computed in float64."""
    exact = history.astype(np.float64)
    mean = exact.mean(axis=0)
    norm = np.linalg.norm(exact - mean, axis=0)
    directions = (exact - mean) / np.where(norm > 0, norm, 1)
    uniform = np.full((1, len(exact)), 1 / len(exact))
    rows = np.concatenate([directions.T, uniform])[:, 1:]
    return References(*(x.astype(np.float32) for x in (rows, norm, mean)))


@functools.partial(jax.jit, compiler_options=_WIDE_VECTORS)
def fit_rows(
    history: Sequence[Float32[ArrayLike, " weights"]], references: References
) -> Packed:
    """Fits weights, given record by record, with the products written out.

    XLA CPU makes one loop of it, at two to three times the time of reading the history.
    It takes long to compile, and stops being fast, where records times modes exceed
    some five hundred.
    """
    motion = [jnp.asarray(row) - history[0] for row in history[1:]]
    rows = jnp.asarray(references.rows)
    products = [_written_out(row, motion) for row in rows]
    squares = sum((values**2 for values in motion[1:]), motion[0] ** 2)
    return _fit(products, squares, references)


def _written_out(row: Array, motion: Sequence[Array]) -> Array:
    product = row[0] * motion[0]
    for factor, values in zip(row[1:], motion[1:], strict=True):
        product = product + factor * values
    return product


@jax.jit
def fit_motion(
    history: Float32[ArrayLike, "records weights"], references: References
) -> Packed:
    """Fits weights by a matrix product, on any device and over any mesh."""
    history = jnp.asarray(history)
    motion = history[1:] - history[:1]
    # In full float32: GPUs and TPUs otherwise round the factors to fewer bits.
    highest = jax.lax.Precision.HIGHEST
    products = jnp.matmul(references.rows, motion, precision=highest)
    return _fit(products, (motion**2).sum(axis=0), references)


@jax.jit
def fit_products(
    products: Float32[ArrayLike, "rows weights"],
    squares: Float32[ArrayLike, " weights"],
    references: References,
) -> Packed:
    """Fits weights of which the host has made the products.

    Args:
      products: the references' rows times the motion.
      squares: the sum of the motion's squares.
      references: what `normalise` gave.
    """
    return _fit(jnp.asarray(products), jnp.asarray(squares), references)


def _fit(
    products: Sequence[Array] | Array, squares: Array, references: References
) -> Packed:
    strongest, label, norm = products[0], jnp.uint32(0), jnp.asarray(references.norm)[0]
    for mode in range(1, len(products) - 1):
        larger = jnp.abs(products[mode]) > jnp.abs(strongest)
        strongest = jnp.where(larger, products[mode], strongest)
        label = jnp.where(larger, jnp.uint32(mode), label)
        norm = jnp.where(larger, references.norm[mode], norm)
    mean, num_records = products[-1], references.rows.shape[1] + 1
    slope = jnp.where(norm > 0, strongest / norm, 0)
    explained = strongest**2
    # Rounding must not make the part larger than the whole.
    energy = jnp.maximum(squares - num_records * mean**2, explained)
    r_squared = jnp.maximum(explained / energy, _UNCORRELATED)
    r_squared = jnp.where(jnp.isfinite(energy), r_squared, jnp.nan)
    r_squared = jnp.where(squares == 0, 0, r_squared)
    word = _rounded_to_24_bits(r_squared) | label
    rest = jax.lax.bitcast_convert_type(word, jnp.float32)
    return Packed(jax.lax.complex(slope, rest), mean)


def _rounded_to_24_bits(value: Array) -> Array:
    bits = jax.lax.bitcast_convert_type(value, jnp.uint32)
    return (bits + np.uint32(0x80)) & ~_LABEL_BITS


def unpack(packed: Packed, fits: WeightFits) -> None:
    """Writes the fit of the first weights, as many as `fits` has, on the host."""
    both: Any = np.asarray(packed.slope_and_rest)[: len(fits.labels)]
    word = both.imag.view(np.uint32)
    np.copyto(fits.labels, word, casting="unsafe")  # the last 8 bits
    np.bitwise_and(word, ~_LABEL_BITS, out=fits.explained.view(np.uint32))
    fits.slope[:] = both.real
    fits.mean[:] = np.asarray(packed.mean)[: len(fits.labels)]
