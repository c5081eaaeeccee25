"""The arithmetic of `least_squares` on a CPU, compiled by Numba.

XLA CPU makes a loop of its own for every array that it returns, so that the history
would be read, or a matrix as large written, many times. Here a tile of weights is read
once, and its sums stay in the nearest cache.
"""

import functools
from collections.abc import Callable
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float32

from cmd_jax.modes.least_squares import UNCORRELATED, References, WeightFits

_TILE = 512  # weights at a time
_STEP = 4  # records at a time: `_add_products` names them one by one
_INFINITY, _NAN = np.float32(np.inf), np.float32(np.nan)


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiles at the first call, for machine code that lies on the disk from then on.

    A product and a sum may become one instruction, nothing else is reordered, NaNs stay
    and x / 0 is no error. Calls release the GIL.
    """
    compiler = functools.partial(
        numba.njit, nogil=True, error_model="numpy", fastmath={"contract"}
    )
    try:
        return compiler(cache=True)(function)
    except RuntimeError:  # neither beside this file nor in the user's cache
        return compiler()(function)


def fit_on_host(
    history: Float32[np.ndarray, "records _"], references: References, fits: WeightFits
) -> None:
    """Fits the first weights of a history, as many as `fits` has, into `fits`.

    Args:
      history: a row a record, each of them contiguous.
      references: from `least_squares.normalise`.
      fits: where to write.
    """
    # A constant of another file, were it compiled in, would outlive its change there.
    _fit_tiles(_rows_in_full(history), references, UNCORRELATED, fits)


def _rows_in_full(history: np.ndarray) -> np.ndarray:
    """The history with rows as long as they lie apart; the rest is not to be read.

    An array without gaps is one to Numba whose loops LLVM makes vectors of.
    """
    (num_records, width), size = history.shape, history.itemsize
    if history.strides[0] < width * size:  # one record many times, or from the last on
        history = np.ascontiguousarray(history)
    shape = (num_records, history.strides[0] // size)
    return np.lib.stride_tricks.as_strided(history, shape, writeable=False)


@_compiled
@no_type_check
def _fit_tiles(history, references, uncorrelated, fits):
    num_records, num_rows = len(history), len(references.rows)
    factors = np.zeros((num_rows, num_records + _STEP), np.float32)
    factors[:, 1:num_records] = references.rows
    motion = np.zeros((_STEP, _TILE), np.float32)
    sums = np.empty((num_rows, _TILE), np.float32)
    squares = np.empty(_TILE, np.float32)
    strongest = np.empty(_TILE, np.float32)
    labels = np.empty(_TILE, np.uint32)
    for start in range(0, len(fits.labels), _TILE):
        stop = min(start + _TILE, len(fits.labels))
        sums[:] = 0
        squares[:] = 0
        for first in range(1, num_records, _STEP):
            _move(history, first, start, stop, motion)
            _add_squares(motion, squares)
            for row in range(num_rows):
                _add_products(motion, factors[row, first : first + _STEP], sums[row])
        _assign(sums[:-1], strongest, labels)
        fits.labels[start:stop] = labels[: stop - start]
        fits.mean[start:stop] = sums[-1, : stop - start]
        fits.origin[start:stop] = history[0, start:stop]
        _write_lines(strongest, labels, references, start, stop, fits)
        count = np.float32(num_records)
        _write_explained(strongest, squares, count, uncorrelated, start, stop, fits)


@_compiled
@no_type_check
def _move(history, first, start, stop, motion):
    """The motion of some records; zero beyond the last one."""
    origin = history[0, start:stop]
    for step in range(_STEP):
        moved = motion[step]
        if first + step < len(history):
            values = history[first + step, start:stop]
            for weight in range(stop - start):
                moved[weight] = values[weight] - origin[weight]
        else:
            moved[:] = 0


@_compiled
@no_type_check
def _add_squares(motion, squares):
    one, two, three, four = motion[0], motion[1], motion[2], motion[3]
    for weight in range(_TILE):
        squares[weight] += (
            one[weight] * one[weight]
            + two[weight] * two[weight]
            + three[weight] * three[weight]
            + four[weight] * four[weight]
        )


@_compiled
@no_type_check
def _add_products(motion, factors, sums):
    one, two, three, four = motion[0], motion[1], motion[2], motion[3]
    a, b, c, d = factors[0], factors[1], factors[2], factors[3]
    for weight in range(_TILE):
        sums[weight] += (
            a * one[weight] + b * two[weight] + c * three[weight] + d * four[weight]
        )


@_compiled
@no_type_check
def _assign(products, strongest, labels):
    """The product that is the largest in size, and its mode."""
    strongest[:] = products[0]
    labels[:] = 0
    for mode in range(1, len(products)):
        rivals, number = products[mode], np.uint32(mode)
        for weight in range(_TILE):
            rival, so_far = rivals[weight], strongest[weight]
            larger = abs(rival) > abs(so_far)
            strongest[weight] = rival if larger else so_far
            labels[weight] = number if larger else labels[weight]


@_compiled
@no_type_check
def _write_lines(strongest, labels, references, start, stop, fits):
    """Slope and intercept; a loop each, of few arrays, which LLVM makes vectors of."""
    slope, mean, origin = (
        fits.slope[start:stop],
        fits.mean[start:stop],
        fits.origin[start:stop],
    )
    for weight in range(len(slope)):
        norm = references.norm[labels[weight]]
        quotient = strongest[weight] / norm
        slope[weight] = quotient if norm > 0 else np.float32(0)
    intercept = fits.intercept[start:stop]
    for weight in range(len(slope)):
        centre = references.mean[labels[weight]]
        intercept[weight] = origin[weight] + (mean[weight] - slope[weight] * centre)


@_compiled
@no_type_check
def _write_explained(strongest, squares, num_records, least, start, stop, fits):
    """R², as `least_squares` has it."""
    mean, explained = fits.mean[start:stop], fits.explained[start:stop]
    for weight in range(len(mean)):
        part = strongest[weight] * strongest[weight]
        rest = squares[weight] - num_records * mean[weight] * mean[weight]
        energy = rest if rest > part else part
        r_squared = part / energy
        r_squared = r_squared if r_squared > least else least
        r_squared = r_squared if squares[weight] > 0 else np.float32(0)
        explained[weight] = r_squared if abs(rest) < _INFINITY else _NAN
