"""The fit of every weight to given references, in one pass over a trajectory.

Steps 6 and 7 of CMD (arXiv 2312.13247, §3): the arithmetic is in `least_squares`, the
way through the history in `one_pass`; here the results are put together.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Integer

from cmd_jax import trees
from cmd_jax.modes.histories import check_block, gather
from cmd_jax.modes.least_squares import WeightFits, normalise, unpack
from cmd_jax.modes.one_pass import Piece, on_cores, on_mesh
from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.types import PyTree


class Fit(NamedTuple):
    """How every weight follows the reference of its mode.

    Pytrees like the parameters, of NumPy arrays. A weight that never moved has label 0,
    slope 0, its value as the intercept, and nothing explained. Leaves that are not
    modelled are zero everywhere.

    Attributes:
      labels: the mode of each weight, uint8.
      slope: a of each weight, float32.
      intercept: b of each weight, float32.
      mean: the mean over the records, minus `origin`, float32.
      origin: the first record, float32.
      explained: R² of each weight, the explained share of its variance over the records
        and the squared correlation with the reference: float32, right to 16 bits. It is
        at least 1e-30 for a weight that moves; motions below 1e-19, whose squares
        float32 does not hold, count as none.
    """

    labels: PyTree
    slope: PyTree
    intercept: PyTree
    mean: PyTree
    origin: PyTree
    explained: PyTree


def fit_references(
    trajectory: AnyTrajectory,
    references: Integer[np.ndarray, " modes"],
    *,
    mask: PyTree = None,
    mesh: Mesh | None = None,
) -> Fit:
    """Assigns every weight to the reference it correlates with most, and fits it.

    Reads the trajectory once. Safe in float32 for weights whose mean is 1e4 times the
    standard deviation of their motion. A reference that moves belongs to its own mode,
    with slope exactly 1 and intercept exactly 0.

    Args:
      trajectory: the records, in memory or stored.
      references: flat coordinates of the reference weights, at most 255.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.
      mesh: the devices to share the weights out over, from `sharding.make_mesh`; every
        process of the mesh calls, and all get the same fit. None: this process's
        cores, or its first accelerator.

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
    leaves = modelled_leaves(trajectory.template, mask)
    columns = _Columns(trajectory, references, leaves)
    sweep = on_cores if mesh is None else functools.partial(on_mesh, mesh=mesh)
    sweep(trajectory, leaves, columns.references, columns.write)
    return columns.as_fit(trajectory.template)


class _Columns:
    """The weights of a Fit, one flat array per leaf, as they are filled in.

    Attributes:
      references: what the weights are fitted to.
    """

    def __init__(
        self, trajectory: AnyTrajectory, references: np.ndarray, leaves: Sequence[int]
    ):
        sizes = trees.leaf_sizes(trajectory.template)
        # Written as a whole or never. Only of empty arrays NumPy makes large pages.
        allocate = [
            np.empty if leaf in leaves else np.zeros for leaf in range(len(sizes))
        ]
        self.references = normalise(gather(trajectory, references))
        self._trajectory = trajectory
        self._by_name = {
            name: [
                make(size, dtype) for make, size in zip(allocate, sizes, strict=True)
            ]
            for name, dtype in _COLUMN_DTYPES.items()
        }
        self._leaf, self._offset = trees.locate(references, sizes)

    def write(self, piece: Piece) -> None:
        """Writes the fits of a piece."""
        columns = {
            name: leaves[piece.leaf][piece.start : piece.stop]
            for name, leaves in self._by_name.items()
        }
        names = WeightFits._fields
        unpack(piece.packed, WeightFits(**{name: columns[name] for name in names}))
        columns["origin"][:] = piece.origin
        self._write_intercept(columns)
        if not np.isfinite(columns["explained"].sum()):
            check_block(self._trajectory, piece.leaf, piece.start, piece.stop)
        self._pin_references(piece, columns)

    def _write_intercept(self, columns: dict[str, np.ndarray]) -> None:
        """Intercept = origin + (mean - slope * mean of the reference), in place."""
        out = columns["intercept"]
        np.take(self.references.mean, columns["labels"], out=out, mode="clip")
        np.multiply(columns["slope"], out, out=out)
        np.subtract(columns["mean"], out, out=out)
        np.add(columns["origin"], out, out=out)

    def _pin_references(self, piece: Piece, columns: dict[str, np.ndarray]) -> None:
        """Gives the references in a piece their own mode, slope 1 and intercept 0."""
        inside = (self._leaf == piece.leaf) & (np.asarray(self.references.norm) > 0)
        inside &= (piece.start <= self._offset) & (self._offset < piece.stop)
        modes = np.flatnonzero(inside)
        weights = self._offset[modes] - piece.start
        columns["labels"][weights] = modes
        columns["slope"][weights] = 1
        columns["intercept"][weights] = 0

    def as_fit(self, template: PyTree) -> Fit:
        """The columns in the structure of the parameters."""
        leaves, structure = jax.tree.flatten(template)
        shaped = {
            name: structure.unflatten(
                [x.reshape(leaf.shape) for x, leaf in zip(column, leaves, strict=True)]
            )
            for name, column in self._by_name.items()
        }
        return Fit(**shaped)


_COLUMN_DTYPES = {
    "labels": np.uint8,
    "slope": np.float32,
    "intercept": np.float32,
    "mean": np.float32,
    "origin": np.float32,
    "explained": np.float32,
}
