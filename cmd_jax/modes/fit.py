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
from cmd_jax.modes.histories import gather
from cmd_jax.modes.least_squares import WeightFits, normalise
from cmd_jax.modes.one_pass import on_cores, on_mesh
from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.types import PyTree

MAX_MODES = 255  # labels are uint8


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
        and the squared correlation with the reference, float32. It is at least 1e-30
        for a weight that moves; motions below 1e-19, whose squares float32 does not
        hold, count as none.
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
      ValueError: there are no references, or too many; a history is not finite: the
        message names the leaf and the record.

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
    if not 1 <= len(references) <= MAX_MODES:
        raise ValueError(f"{len(references)} references; there can be 1 to {MAX_MODES}")
    leaves = modelled_leaves(trajectory.template, mask)
    columns = _Columns(trajectory, references, leaves)
    sweep = on_cores if mesh is None else functools.partial(on_mesh, mesh=mesh)
    sweep(trajectory, leaves, columns.references, columns.piece)
    columns.pin_references()
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
        self.references = normalise(gather(trajectory, references))
        self._modelled = frozenset(leaves)
        self._leaves = [
            _no_fits(int(size), modelled=leaf in self._modelled)
            for leaf, size in enumerate(sizes)
        ]
        self._leaf, self._offset = trees.locate(references, sizes)

    def piece(self, leaf: int, start: int, stop: int) -> WeightFits:
        """Views of the fits of some weights of a leaf."""
        return WeightFits(*(column[start:stop] for column in self._leaves[leaf]))

    def pin_references(self) -> None:
        """Gives the references that move their own mode, slope 1 and intercept 0."""
        for mode in np.flatnonzero(self.references.norm):
            leaf, weight = self._leaf[mode], self._offset[mode]
            if leaf in self._modelled:
                fits = self._leaves[leaf]
                fits.labels[weight] = mode
                fits.slope[weight] = 1
                fits.intercept[weight] = 0

    def as_fit(self, template: PyTree) -> Fit:
        """The columns in the structure of the parameters."""
        leaves, structure = jax.tree.flatten(template)
        shaped = {
            name: structure.unflatten(
                [
                    getattr(fits, name).reshape(leaf.shape)
                    for fits, leaf in zip(self._leaves, leaves, strict=True)
                ]
            )
            for name in WeightFits._fields
        }
        return Fit(**shaped)


def _no_fits(size: int, *, modelled: bool) -> WeightFits:
    """Zeros, or memory where all will be written: NumPy gives that large pages."""
    make = np.empty if modelled else np.zeros
    floats = (make(size, np.float32) for _ in WeightFits._fields[1:])
    return WeightFits(make(size, np.uint8), *floats)
