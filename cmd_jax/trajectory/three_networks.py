"""The plane through three networks, to see what lies between them.

The first network is the origin, the second lies on the first axis, the third above it:
with a = θ_2 - θ_1 and b = θ_3 - θ_1, the axes are u = a / |a| and v = w / |w|, where
w = b - (b·u) u. Distances in the plane are those in weight space.

References:
  T. Garipov et al., "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs",
  NeurIPS 2018, appendix.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float64

from cmd_jax import trees
from cmd_jax.trajectory.layout import check_leaves, make_layout
from cmd_jax.trajectory.plane import Plane
from cmd_jax.trajectory.selection import leaf_indices
from cmd_jax.types import ArrayLike, Params

_ON_A_LINE = 1e-6  # |w| / |b|, where float32 knows no direction


class NetworksPlane(NamedTuple):
    """The plane through three networks.

    Attributes:
      plane: its center is the first network, its directions are orthonormal.
      coordinates: of the three networks.
    """

    plane: Plane
    coordinates: Float64[np.ndarray, "3 2"]


def plane_through(first: Params, second: Params, third: Params) -> NetworksPlane:
    """The plane through three networks, such as two trained ones and a transferred one.

    Args:
      first: parameters, at the origin of the plane.
      second: of the same structure, on the positive side of the first axis.
      third: of the same structure, on the positive side of the second axis.

    Returns:
      The plane and where the networks lie in it. Leaves not of floating point are those
      of the first.

    Raises:
      ValueError: the networks differ in a leaf's shape or dtype (the message names it),
        hold values that are not finite, or lie on a line.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import plane_through
      >>> corners = np.array([[1, 1, 0], [1, 4, 0], [1, 3, 4]], np.float32)
      >>> found = plane_through(*({"w": corner} for corner in corners))
      >>> found.coordinates.tolist()
      [[0.0, 0.0], [3.0, 0.0], [2.0, 4.0]]
    """
    layout = make_layout(first, leaf_indices(first, None), select=None, dtype="float32")
    for name, network in (("second", second), ("third", third)):
        source = f"the {name} network"
        check_leaves(layout, network, source=source, owner="the first")
    a, b = _displacement(first, second), _displacement(first, third)
    length, reach = (np.sqrt(_dot(x, x)) for x in (a, b))
    if not np.isfinite(length + reach):
        raise ValueError(
            "a network holds values that are not finite: there is no plane"
        )
    if length == 0:
        raise ValueError("the first two networks are the same: there is no plane")
    u = jax.tree.map(lambda x: x / length, a)
    along = _dot(b, u)
    w = jax.tree.map(lambda x, y: x - along * y, b, u)
    height = np.sqrt(_dot(w, w))
    if height <= _ON_A_LINE * reach:
        raise ValueError("the three networks lie on a line: there is no plane")
    v = jax.tree.map(lambda x: x / height, w)
    directions = jax.tree.map(np.float32, (u, v))
    coordinates = np.array([[0, 0], [length, 0], [along, height]])
    return NetworksPlane(Plane(first, directions), coordinates)


def _displacement(origin: Params, network: Params) -> Params:
    """In float64, where differences and their products lose nothing."""

    def between(one: ArrayLike, other: ArrayLike) -> np.ndarray:
        if not trees.is_float(one):
            return np.zeros(np.shape(one))
        return np.asarray(other, np.float64) - np.asarray(one, np.float64)

    return jax.tree.map(between, origin, network)


def _dot(one: Params, other: Params) -> float:
    products = jax.tree.map(lambda x, y: float(np.vdot(x, y)), one, other)
    return sum(jax.tree.leaves(products))
