"""Geometry of a recorded path: the plane that it stays closest to, and its length.

With the records as rows, centred to X, the T×T Gram matrix X Xᵀ = V S² Vᵀ holds all
that a principal component analysis needs: the directions are u_k = Xᵀ v_k / s_k, the
coordinates of the records v_k s_k.

References:
  H. Li et al., "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018, §7.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float64

from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.trajectory.gram import combine_records, gram_matrix, sum_over_weights
from cmd_jax.trajectory.plane import Plane
from cmd_jax.types import PyTree


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
    gram = gram_matrix(trajectory, leaves)
    squares, vectors = np.linalg.eigh(gram)
    squares, vectors = squares[:-3:-1], vectors[:, :-3:-1]
    if squares[1] <= 1e-14 * squares[0]:
        raise ValueError(
            "the records lie on a line, if they differ at all: there is no plane"
        )
    vectors = vectors * np.where(vectors[-1] < vectors[0], -1, 1)
    coordinates = vectors * np.sqrt(squares)
    rows = (vectors / np.sqrt(squares)).T
    center, directions = combine_records(trajectory, leaves, rows)
    first, second = (jax.tree.map(lambda x, i=i: x[i], directions) for i in range(2))
    plane = Plane(center, (first, second))
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
    squares = sum_over_weights(
        trajectory,
        leaves,
        lambda _, motion: (np.diff(motion, axis=0) ** 2).sum(axis=1),
    )
    return np.concatenate([[0.0], np.sqrt(squares).cumsum()])
