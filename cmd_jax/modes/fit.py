"""The fit of every weight to given references, in one pass over a trajectory.

Steps 6 and 7 of CMD (arXiv 2312.13247, §3), leaf by leaf and block by block; what
happens in a block is in `least_squares`.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float64, Int64, Integer

from cmd_jax import trees
from cmd_jax.modes.blocks import AnyTrajectory, Block, map_blocks
from cmd_jax.modes.histories import check_block, gather, modelled_leaves
from cmd_jax.modes.least_squares import fit_block, normalise
from cmd_jax.types import PyTree


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
      r_squared: the mean over these weights of the squared correlation with the
        reference, the explained share of a weight's variance; 0 where there are none.
      correlation: the mean over a leaf's moving weights of |correlation with the
        reference|; 0 where there are none.
    """

    labels: PyTree
    slope: PyTree
    intercept: PyTree
    mean: PyTree
    constant: PyTree
    origin: PyTree
    counts: Int64[np.ndarray, "leaves modes"]
    r_squared: Float64[np.ndarray, "leaves modes"]
    correlation: Float64[np.ndarray, " leaves"]


def fit_references(
    trajectory: AnyTrajectory,
    references: Integer[np.ndarray, " modes"],
    *,
    mask: PyTree = None,
) -> Fit:
    """Assigns every weight to the reference it correlates with most, and fits it.

    Reads the trajectory once. Safe in float32 for weights whose mean is 1e4 times the
    standard deviation of their motion. A reference that moves belongs to its own mode,
    with slope exactly 1 and intercept exactly 0.

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
      >>> from cmd_jax.modes import fit_references
      >>> from cmd_jax.trajectory import Trajectory
      >>> line = np.array([0.0, 1.0, 3.0], np.float32)
      >>> trajectory = Trajectory(np.stack([line, 5 - 2 * line], axis=1), np.arange(3))
      >>> fit = fit_references(trajectory, np.array([0]))
      >>> fit.slope.round(3).tolist(), fit.intercept.round(3).tolist()
      ([1.0, -2.0], [0.0, 5.0])
    """
    fitter = _Fitter(trajectory, references)
    totals = [_Sums.zero(len(references)) for _ in fitter.sizes]
    leaves = modelled_leaves(trajectory.template, mask)
    for leaf, sums in map_blocks(trajectory, leaves, fitter.fit):
        totals[leaf] = totals[leaf].plus(sums)
    return _assemble(trajectory.template, fitter.columns, totals)


class _Sums(NamedTuple):
    """Sums over the moving weights of a block or a leaf; the first two by mode."""

    counts: np.ndarray
    r_squared: np.ndarray
    correlation: float

    @classmethod
    def zero(cls, num_modes: int) -> "_Sums":
        return cls(np.zeros(num_modes, np.int64), np.zeros(num_modes), 0.0)

    @classmethod
    def of(
        cls,
        labels: np.ndarray,
        constant: np.ndarray,
        correlation: np.ndarray,
        num_modes: int,
    ) -> "_Sums":
        index = labels.astype(np.intp)  # bincount is slower where it converts by itself
        counts = np.bincount(index, minlength=num_modes)
        counts -= np.bincount(labels[constant], minlength=num_modes)
        squares = np.square(correlation, dtype=np.float64)
        r_squared = np.bincount(index, squares, num_modes)
        return cls(counts, r_squared, float(correlation.sum()))

    def plus(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.counts + other.counts,
            self.r_squared + other.r_squared,
            self.correlation + other.correlation,
        )


class _Fitter:
    """Fits blocks and writes their weights into the columns of a Fit.

    Attributes:
      sizes: number of weights of each leaf.
      columns: by name of a Fit's field, one flat array per leaf.
    """

    def __init__(self, trajectory: AnyTrajectory, references: np.ndarray):
        self.sizes = trees.leaf_sizes(trajectory.template)
        self.columns = {
            name: [np.zeros(size, dtype) for size in self.sizes]
            for name, dtype in _COLUMN_DTYPES.items()
        }
        self._trajectory = trajectory
        self._references = normalise(gather(trajectory, references))
        self._on_device = jax.device_put(self._references)
        self._leaf, self._offset = trees.locate(references, self.sizes)

    def fit(self, block: Block) -> tuple[int, _Sums]:
        """Fits a block; returns its leaf and the sums over its weights."""
        found = fit_block(block.origin, block.motion, self._on_device)
        width = block.stop - block.start
        values = {name: np.asarray(x)[:width] for name, x in found._asdict().items()}
        correlation = values.pop("correlation")
        values["origin"] = block.origin[:width]
        values["constant"] = correlation == 0
        columns = {
            name: leaves[block.leaf][block.start : block.stop]
            for name, leaves in self.columns.items()
        }
        for name, column in columns.items():
            column[...] = values[name]
        self._pin_references(block, columns)
        sums = _Sums.of(
            columns["labels"], columns["constant"], correlation, len(self._leaf)
        )
        if not np.isfinite(sums.correlation):
            check_block(self._trajectory, block.leaf, block.start, block.stop)
        return block.leaf, sums

    def _pin_references(self, block: Block, columns: dict[str, np.ndarray]) -> None:
        """Gives the references in a block their own mode, slope 1 and intercept 0."""
        inside = (self._leaf == block.leaf) & (self._references.norm > 0)
        inside &= (block.start <= self._offset) & (self._offset < block.stop)
        modes = np.flatnonzero(inside)
        weights = self._offset[modes] - block.start
        columns["labels"][weights] = modes
        columns["slope"][weights] = 1
        columns["intercept"][weights] = 0


_COLUMN_DTYPES = {
    "labels": np.uint8,
    "slope": np.float32,
    "intercept": np.float32,
    "mean": np.float32,
    "constant": np.bool_,
    "origin": np.float32,
}


def _assemble(
    template: PyTree, columns: dict[str, list[np.ndarray]], totals: list[_Sums]
) -> Fit:
    leaves, structure = jax.tree.flatten(template)
    trees_by_name = {
        name: structure.unflatten(
            [
                flat.reshape(leaf.shape)
                for flat, leaf in zip(column, leaves, strict=True)
            ]
        )
        for name, column in columns.items()
    }
    counts = np.stack([sums.counts for sums in totals])
    r_squared = np.stack([sums.r_squared for sums in totals])
    correlation = np.array([sums.correlation for sums in totals])
    return Fit(
        **trees_by_name,
        counts=counts,
        r_squared=r_squared / np.maximum(counts, 1),
        correlation=correlation / np.maximum(counts.sum(axis=1), 1),
    )
