"""Geometry of a recorded path: the plane that it stays closest to, and its length.

With the records as rows, centred to X, the T×T Gram matrix X Xᵀ = V S² Vᵀ holds all
that a principal component analysis needs: the directions are u_k = Xᵀ v_k / s_k, the
coordinates of the records v_k s_k. It is summed over blocks of weights, in float64,
where centring loses nothing, so that a history is never copied.

References:
  H. Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, §7.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import jax
import numpy as np
import threadpoolctl
from jaxtyping import Float64

from cmd_jax import trees
from cmd_jax.trajectory.blocks import (
    AnyTrajectory,
    Block,
    map_blocks,
    modelled_leaves,
)
from cmd_jax.trajectory.plane import Plane
from cmd_jax.types import PyTree

_WIDTH = 2**16  # weights of a leaf that are read at a time
_STEP = 2**12  # and of them in float64

Result = TypeVar("Result")


class PrincipalPlane(NamedTuple):
    """The plane that a path stays closest to.

    Attributes:
      plane: through the mean record; its directions are orthonormal over all weights,
        each signed so that the path ends on the positive side of where it began.
      coordinates: of each record's projection.
      explained: the share of the records' variance along each direction.
    """

    plane: Plane
    coordinates: Float64[np.ndarray, "records 2"]
    explained: Float64[np.ndarray, "2"]


def principal_plane(
    trajectory: AnyTrajectory, *, mask: PyTree = None
) -> PrincipalPlane:
    """The first two principal components of a trajectory's records.

    Reads the trajectory twice, block by block; exact also where weights are much larger
    than their motion.

    Args:
      trajectory: at least 3 records, in memory or stored.
      mask: a pytree prefix of bools, True where leaves count; None for all. Leaves left
        out, and those not of floating point, stay at their last value.

    Returns:
      The plane, the records' coordinates in it, and what it explains.

    Raises:
      ValueError: fewer than 3 records; a record is not finite (the message names the
        leaf); the records lie on a line, so that there is no plane.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory, principal_plane
      >>> walk = np.array([[0, 0], [3, 1], [6, -1], [9, 0]], np.float32)
      >>> path = principal_plane(Trajectory({"w": walk + 100}, np.arange(4)))
      >>> path.coordinates.round(1)[:, 0].tolist(), path.explained.round(2).tolist()
      ([-4.5, -1.6, 1.6, 4.5], [0.96, 0.04])
    """
    if len(trajectory) < 3:
        raise ValueError(
            f"there are {len(trajectory)} records; a plane needs at least 3"
        )
    leaves = modelled_leaves(trajectory.template, mask)
    gram = _sum_over_weights(trajectory, leaves, lambda motion: motion @ motion.T)
    squares, vectors = np.linalg.eigh(gram)
    squares, vectors = squares[:-3:-1], vectors[:, :-3:-1]
    if squares[1] <= 1e-14 * squares[0]:
        raise ValueError(
            "the records lie on a line, if they differ at all: there is no plane"
        )
    vectors = vectors * np.where(vectors[-1] < vectors[0], -1, 1)
    coordinates = vectors * np.sqrt(squares)
    plane = _span(trajectory, leaves, (vectors / np.sqrt(squares)).T)
    return PrincipalPlane(plane, coordinates, squares / np.trace(gram))


def path_length(
    trajectory: AnyTrajectory, *, mask: PyTree = None
) -> Float64[np.ndarray, " records"]:
    """The distance travelled from the first record to each: Σ_s |θ_s - θ_s-1|.

    Args:
      trajectory: the records, in memory or stored.
      mask: as for `principal_plane`.

    Raises:
      ValueError: a record is not finite.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory, path_length
      >>> square = np.array([[0, 0], [3, 4], [3, 5]], np.float32)
      >>> path_length(Trajectory(square, np.arange(3))).tolist()
      [0.0, 5.0, 6.0]
    """
    leaves = modelled_leaves(trajectory.template, mask)
    squares = _sum_over_weights(
        trajectory, leaves, lambda motion: (np.diff(motion, axis=0) ** 2).sum(axis=1)
    )
    return np.concatenate([[0.0], np.sqrt(squares).cumsum()])


def _sum_over_weights(
    trajectory: AnyTrajectory,
    leaves: list[int],
    function: Callable[[np.ndarray], Float64[np.ndarray, "..."]],
) -> Float64[np.ndarray, "..."]:
    """The sum of what `function` gives for the motions [records, _] of some weights."""
    names = trees.leaf_names(trajectory.template)
    if not leaves:
        raise ValueError(
            f"no leaf counts: the mask leaves out all of {', '.join(names)} that are "
            "of floating point"
        )

    def work(block: Block) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            total = sum(function(motion) for _, _, motion in _motions(block))
        if not np.isfinite(total).all():
            raise ValueError(
                f"leaf {names[block.leaf]!r} holds values that are not finite: leave "
                "it out by mask, or slice the trajectory before them"
            )
        return np.asarray(total)

    # Leaf by leaf, so that few of the sums are held at a time.
    return np.asarray(sum(sum(_map(trajectory, [leaf], work)) for leaf in leaves))


def _span(
    trajectory: AnyTrajectory,
    leaves: list[int],
    rows: Float64[np.ndarray, "2 records"],
) -> Plane:
    """The plane through the mean record along the rows' combinations of the motion."""
    last, structure = jax.tree.flatten(trajectory[len(trajectory) - 1])
    center = [np.array(leaf) for leaf in last]
    first, second = ([np.zeros(x.shape, np.float32) for x in center] for _ in range(2))

    def write(block: Block) -> None:
        for start, mean, motion in _motions(block):
            part = slice(start, start + len(mean))
            filled = zip((center, first, second), (mean, *rows @ motion), strict=True)
            for tree, values in filled:
                tree[block.leaf].reshape(-1)[part] = values

    _map(trajectory, leaves, write)
    center, first, second = map(structure.unflatten, (center, first, second))
    return Plane(center, (first, second))


def _map(
    trajectory: AnyTrajectory, leaves: list[int], function: Callable[[Block], Result]
) -> list[Result]:
    # Blocks are shared out over threads here, so that BLAS shall not do it too.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return map_blocks(trajectory, leaves, function, width=_WIDTH)


def _motions(block: Block) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """A block in parts: offset in the leaf, mean record, the motion about it."""
    for start in range(0, block.stop - block.start, _STEP):
        stop = min(start + _STEP, block.stop - block.start)
        part = block.history[:, start:stop].astype(np.float64)
        mean = part.mean(axis=0)
        yield block.start + start, mean, part - mean
