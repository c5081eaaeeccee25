"""Where the weights of a history are fitted: on this host's cores, or over a mesh.

Both go over the history once, in pieces, and hand each piece to `write`. What happens
in a piece is in `least_squares`; here it is decided which of its functions is the
fastest, and how much is done at a time.
"""

import functools
import math
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import threadpoolctl
from jax.sharding import Mesh
from jaxtyping import Float32

from cmd_jax import host, sharding, trees
from cmd_jax.modes.least_squares import (
    Packed,
    References,
    fit_motion,
    fit_products,
    fit_rows,
)
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.trajectory.blocks import AnyTrajectory, Block, aligned, map_blocks

_WIDTH = 2**17  # weights that are fitted at a time
_BLAS_WIDTH = 2**16  # likewise, with products by BLAS,
_BLAS_STEP = 2**13  # which are made of so many at a time, from a cache,
_BLAS_COLUMNS = 2**9  # by so many columns: OpenBLAS copies larger matrices first
_MOST_WRITTEN_OUT = 512  # records times modes, and
_LEAST_WRITTEN_OUT = 10**8  # records times weights: it takes a second to compile


class Piece(NamedTuple):
    """Some weights of a leaf with their fit.

    Attributes:
      leaf: the leaf's number in tree order.
      start: the first weight's offset in the raveled leaf.
      stop: the offset after the last.
      origin: the weights at the first record.
      packed: the weights' fit, and maybe that of more weights, of no meaning.
    """

    leaf: int
    start: int
    stop: int
    origin: Float32[np.ndarray, " weights"]
    packed: Packed


def on_cores(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    references: References,
    write: Callable[[Piece], None],
) -> None:
    """Fits the leaves on every core, or on this process's first accelerator.

    Args:
      trajectory: the records, in memory or stored.
      leaves: numbers of the leaves to fit, which are of floating point.
      references: from `least_squares.normalise`.
      write: called from several threads at a time; what it is given is only valid
        until it returns.
    """
    leaves = list(leaves)
    num_weights = int(trees.leaf_sizes(trajectory.template)[leaves].sum())
    fit, width = _fastest(len(trajectory), num_weights, references)

    def work(block: Block) -> None:
        origin = block.history[0, : block.stop - block.start]
        write(Piece(*block[:3], origin, fit(block.history)))

    # Blocks are shared out over threads here, so that BLAS shall not do it too.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        map_blocks(trajectory, leaves, work, width=width)


def _fastest(
    num_records: int, num_weights: int, references: References
) -> tuple[Callable[[Float32[np.ndarray, "records weights"]], Packed], int]:
    """The function that fits a block the fastest, and the width of its blocks."""
    on_device = jax.device_put(references)
    if jax.default_backend() != "cpu":
        return functools.partial(fit_motion, references=on_device), _WIDTH
    short = num_records * len(references.norm) <= _MOST_WRITTEN_OUT
    if short and num_records * num_weights >= _LEAST_WRITTEN_OUT:
        return lambda history: fit_rows(tuple(history), on_device), _WIDTH
    return _HostProducts(references), _BLAS_WIDTH


class _HostProducts(threading.local):
    """Fits blocks with products by BLAS, in memory that each thread uses again."""

    def __init__(self, references: References):
        self._references = references
        # Rows of zeros up to a multiple of four: BLAS is half as fast with odd ones.
        self._rows = np.pad(references.rows, ((0, -len(references.rows) % 4), (0, 0)))
        num_rows, num_motions = self._rows.shape
        self._motion = aligned((num_motions, _BLAS_STEP))
        self._products = aligned((num_rows, _BLAS_WIDTH))
        self._squares = aligned((_BLAS_WIDTH,))

    def __call__(self, history: Float32[np.ndarray, "records weights"]) -> Packed:
        width = history.shape[1]
        for start in range(0, width, _BLAS_STEP):
            stop = min(start + _BLAS_STEP, width)
            motion = self._motion[:, : stop - start]
            part = history[:, start:stop]
            with np.errstate(invalid="ignore", over="ignore"):  # reported by `write`
                np.subtract(part[1:], part[0], out=motion)
                np.matmul(
                    self._rows,
                    _by_columns(motion),
                    out=_by_columns(self._products[:, start:stop]),
                )
                np.einsum("rw,rw->w", motion, motion, out=self._squares[start:stop])
        products = self._products[: len(self._references.rows), :width]
        squares = self._squares[:width]
        return jax.block_until_ready(fit_products(products, squares, self._references))


def _by_columns(matrix: np.ndarray) -> np.ndarray:
    """A view of a matrix as a stack of narrow ones, which stand side by side in it.

    One call multiplies the stack: of many short calls threads wait for each other.
    """
    num_rows, width = matrix.shape
    columns = math.gcd(width, _BLAS_COLUMNS)
    narrow = matrix.reshape(num_rows, width // columns, columns)
    return narrow.transpose(1, 0, 2)


def on_mesh(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    references: References,
    write: Callable[[Piece], None],
    *,
    mesh: Mesh,
) -> None:
    """Fits the leaves with the weights shared out over a mesh, as `on_cores` does.

    Of a stored history every process reads the part of its own devices only; every
    process is given every piece.
    """
    sizes = trees.leaf_sizes(trajectory.template)
    on_devices = sharding.place(references, sharding.replicated(mesh))
    for leaf in leaves:
        width = min(_WIDTH, -(-int(sizes[leaf]) // mesh.size)) * mesh.size
        for start in range(0, int(sizes[leaf]), width):
            stop = min(start + width, int(sizes[leaf]))
            history = _spread(trajectory, (leaf, start, stop), width, mesh)
            packed = fit_motion(history, on_devices)
            origin, packed = host.fetch((history[0], packed))
            write(Piece(leaf, start, stop, origin[: stop - start], packed))


def _spread(
    trajectory: AnyTrajectory, part: tuple[int, int, int], width: int, mesh: Mesh
) -> Float32[jax.Array, "records weights"]:
    """A part of a history, padded with zeros to `width`, its weights over the mesh."""
    leaf, start, stop = part
    place = sharding.split(mesh, axis=1)
    if not isinstance(trajectory, StoredTrajectory):
        values = jnp.asarray(trajectory.read(leaf, start, stop))
        padded = jnp.pad(values, ((0, 0), (0, width - values.shape[1])))
        return sharding.place(padded, place)

    def local(index: Any) -> np.ndarray:
        first, last, _ = index[1].indices(width)
        found = trajectory.read(leaf, min(start + first, stop), min(start + last, stop))
        return np.pad(found, ((0, 0), (0, last - first - found.shape[1])))

    return jax.make_array_from_callback((len(trajectory), width), place, local)
