"""Assignment and least squares in one pass: steps 6 and 7 of CMD (arXiv 2312.13247).

With r̂_m = (r_m - mean(r_m)) / |r_m - mean(r_m)|, one product of the rows r̂_1 ... r̂_M and
1/T with the history w of some weights gives, for weight i,

    c(i) = argmax_m |<w_i, r̂_m>|                   the mode
    a_i = <w_i, r̂_c(i)> / |r_c(i) - mean(r_c(i))|  the slope
    b_i = mean(w_i) - a_i mean(r_c(i))             the intercept

because r̂_m has zero mean. The norm of w_i matters to the correlation only.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from cmd_jax import trees
from cmd_jax.modes.blocks import AnyTrajectory, Block, map_blocks
from cmd_jax.modes.histories import check_block, gather, modelled_leaves
from cmd_jax.types import Array, PyTree


class Fit(NamedTuple):
    """How every weight follows the reference of its mode.

    The pytrees are like the parameters, of NumPy arrays. A weight that never moved has
    label 0, slope 0 and its value as the intercept. Leaves that are not modelled are
    zero everywhere and are counted nowhere.

    Attributes:
      labels: the mode of each weight, uint8.
      slope: a of each weight, float32.
      intercept: b of each weight, float32.
      mean: the mean over the records, minus `origin`, float32.
      constant: whether the weight never moved, bool. Motions below 1e-19, whose squares
        float32 does not hold, count as none.
      origin: the first record, float32.
      counts: how many moving weights each leaf has in each mode.
      correlation: the mean of |correlation with the reference| over these weights; 0
        where there are none.
      r_squared: the mean of its square, the explained share of a weight's variance.
    """

    labels: PyTree
    slope: PyTree
    intercept: PyTree
    mean: PyTree
    constant: PyTree
    origin: PyTree
    counts: Int64[np.ndarray, "leaves modes"]
    correlation: Float64[np.ndarray, "leaves modes"]
    r_squared: Float64[np.ndarray, "leaves modes"]


class _References(NamedTuple):
    """What a block is multiplied with, and the scales of the references."""

    rows: Float32[np.ndarray, "_ records"]  # r̂ of each mode, then 1/T
    norm: Float32[np.ndarray, " modes"]
    mean: Float32[np.ndarray, " modes"]


class _BlockFit(NamedTuple):
    """Columns of a Fit for the weights of a block, and their |correlation|.

    The correlation is 0 for a weight that never moved and for no other one.
    """

    labels: UInt8[Array, " weights"]
    slope: Float32[Array, " weights"]
    intercept: Float32[Array, " weights"]
    mean: Float32[Array, " weights"]
    correlation: Float32[Array, " weights"]


_Columns = dict[str, list[np.ndarray]]

_UNCORRELATED = np.float32(1e-30)  # the |correlation| of a weight that does move


def fit_references(
    trajectory: AnyTrajectory,
    references: Int64[np.ndarray, " modes"],
    *,
    mask: PyTree = None,
) -> Fit:
    """Assigns every weight to the reference it correlates with most, and fits it.

    Reads the trajectory once. Safe in float32 for weights whose mean is 1e4 times the
    standard deviation of their motion. A reference belongs to its own mode, with slope
    exactly 1 and intercept exactly 0.

    Args:
      trajectory: the records, in memory or stored.
      references: flat coordinates of the reference weights, at most 255.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.

    Returns:
      The fit of every weight in the modelled leaves of floating point.

    Raises:
      ValueError: a history is not finite; the message names the leaf and the record.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes.fit import fit_references
      >>> from cmd_jax.trajectory import Trajectory
      >>> line = np.array([0.0, 1.0, 3.0], np.float32)
      >>> trajectory = Trajectory(np.stack([line, 5 - 2 * line], axis=1), np.arange(3))
      >>> fit = fit_references(trajectory, np.array([0]))
      >>> fit.slope.round(3).tolist(), fit.intercept.round(3).tolist()
      ([1.0, -2.0], [0.0, 5.0])
    """
    history = gather(trajectory, references)
    fit_block = _BlockFitter(trajectory, references, history)
    totals = np.zeros((len(fit_block.sizes), 3, len(references)))
    leaves = modelled_leaves(trajectory.template, mask)
    for leaf, sums in map_blocks(trajectory, leaves, fit_block):
        totals[leaf] += sums
    return _assemble(trajectory.template, fit_block.columns, totals)


class _BlockFitter:
    """Fits a block, writes its columns and returns (leaf, sums over its modes)."""

    def __init__(
        self,
        trajectory: AnyTrajectory,
        references: np.ndarray,
        history: Float32[np.ndarray, "records modes"],
    ):
        self.trajectory = trajectory
        self.sizes = trees.leaf_sizes(trajectory.template)
        self.columns = _empty_columns(self.sizes)
        self._references = _normalise(history)
        self._device_references = jax.device_put(self._references)
        self._places = np.stack(trees.locate(references, self.sizes))

    def __call__(self, block: Block) -> tuple[int, np.ndarray]:
        found = _fit_block(block.origin, block.motion, self._device_references)
        found = jax.device_get(found)._asdict() | {"origin": block.origin}
        found["constant"] = found["correlation"] == 0
        width = block.stop - block.start
        written = {}
        for name, column in self.columns.items():
            written[name] = column[block.leaf][block.start : block.stop]
            written[name][...] = found[name][:width]
        self._pin_references(block, written)
        correlation = found["correlation"][:width]
        sums = _sums(written["labels"], correlation, self._places.shape[1])
        if not np.isfinite(sums).all():
            check_block(self.trajectory, block.leaf, block.start, block.stop)
        return block.leaf, sums

    def _pin_references(self, block: Block, written: dict[str, np.ndarray]) -> None:
        """Gives the references in a block their own mode, slope 1 and intercept 0."""
        leaf, offset = self._places
        inside = (leaf == block.leaf) & (block.start <= offset) & (offset < block.stop)
        modes = np.flatnonzero(inside & (self._references.norm > 0))
        weights = offset[modes] - block.start
        written["labels"][weights] = modes
        written["slope"][weights] = 1
        written["intercept"][weights] = 0


def _normalise(history: Float32[np.ndarray, "records modes"]) -> _References:
    exact = history.astype(np.float64)
    mean = exact.mean(axis=0)
    norm = np.linalg.norm(exact - mean, axis=0)
    directions = (exact - mean) / np.where(norm > 0, norm, 1)
    uniform = np.full((1, len(exact)), 1 / len(exact))
    rows = np.concatenate([directions.T, uniform])
    arrays = (x.astype(np.float32) for x in (rows, norm, mean))
    return _References(*arrays)


@jax.jit
def _fit_block(
    origin: Float32[Array, " weights"],
    motion: Float32[Array, "records weights"],
    references: _References,
) -> _BlockFit:
    # In full float32: GPUs and TPUs otherwise round the factors to fewer bits.
    highest = jax.lax.Precision.HIGHEST
    products = jnp.matmul(references.rows, motion, precision=highest)
    labels, strongest = _largest(products[:-1])
    mean = products[-1]
    norm = references.norm[labels]
    slope = jnp.where(norm > 0, strongest / norm, 0)
    intercept = origin + (mean - slope * references.mean[labels])
    # From the slope: what XLA fuses on a CPU it computes again for every result.
    explained = (slope * norm) ** 2
    squares = _sum_of_squares(motion)
    # Rounding must not make the part larger than the whole.
    energy = jnp.maximum(squares - len(motion) * mean**2, explained)
    correlation = jnp.maximum(jnp.sqrt(explained / energy), _UNCORRELATED)
    correlation = jnp.where(squares == 0, 0, correlation)
    return _BlockFit(labels, slope, intercept, mean, correlation)


def _largest(
    products: Float32[Array, "modes weights"],
) -> tuple[UInt8[Array, " weights"], Float32[Array, " weights"]]:
    """Row and value of the largest magnitude in each column, the first in a tie."""
    # XLA fuses this running maximum into one loop; argmax and a gather are ten times
    # slower on a CPU.
    largest = products[0]
    labels = jnp.zeros(largest.shape, jnp.uint8)
    for mode in range(1, len(products)):
        larger = jnp.abs(products[mode]) > jnp.abs(largest)
        largest = jnp.where(larger, products[mode], largest)
        labels = jnp.where(larger, jnp.uint8(mode), labels)
    return labels, largest


def _sum_of_squares(
    motion: Float32[Array, "records weights"],
) -> Float32[Array, " weights"]:
    """The sum over records, added up record by record."""
    # XLA's reductions over the leading axis are slow on a CPU; an unrolled loop is
    # fused, and its length does not add to the time of compiling.
    return jax.lax.fori_loop(
        0,
        len(motion),
        lambda record, total: total + motion[record] ** 2,
        jnp.zeros(motion.shape[1]),
        unroll=32,
    )


def _empty_columns(sizes: Sequence[int] | np.ndarray) -> _Columns:
    dtypes = {"labels": np.uint8, "constant": np.bool_}
    names = Fit._fields[: Fit._fields.index("counts")]
    return {
        name: [np.zeros(size, dtypes.get(name, np.float32)) for size in sizes]
        for name in names
    }


def _sums(
    labels: UInt8[np.ndarray, " weights"],
    correlation: Float32[np.ndarray, " weights"],
    num_modes: int,
) -> Float64[np.ndarray, "3 modes"]:
    """By mode: the moving weights, the sum of their correlations and of its squares."""
    # bincount is several times slower where it converts by itself.
    index, exact = labels.astype(np.intp), correlation.astype(np.float64)
    weights = (None, exact, exact**2)
    sums = np.stack([np.bincount(index, x, num_modes) for x in weights])
    sums[0, 0] -= len(labels) - np.count_nonzero(correlation)
    return sums


def _assemble(
    template: PyTree, columns: _Columns, totals: Float64[np.ndarray, "leaves 3 modes"]
) -> Fit:
    leaves, structure = jax.tree.flatten(template)
    shapes = [leaf.shape for leaf in leaves]
    like_params = {
        name: jax.tree.unflatten(
            structure,
            [leaf.reshape(shape) for leaf, shape in zip(column, shapes, strict=True)],
        )
        for name, column in columns.items()
    }
    counts, correlation, r_squared = totals.swapaxes(0, 1)
    nonzero = np.maximum(counts, 1)
    return Fit(
        **like_params,
        counts=counts.astype(np.int64),
        correlation=correlation / nonzero,
        r_squared=r_squared / nonzero,
    )
