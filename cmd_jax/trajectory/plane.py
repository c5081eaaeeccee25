"""Networks on a line or in a plane through weight space, and what they score there.

Nothing here knows how a network is evaluated: `evaluate(params) -> metrics` is given.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Num

from cmd_jax import host, trees
from cmd_jax.types import ArrayLike, Params, PyTree

Scalar = Float[ArrayLike, ""] | np.floating | float


class Plane(NamedTuple):
    """A plane of networks: `center` + x `directions[0]` + y `directions[1]`.

    Attributes:
      center: parameters.
      directions: two pytrees like them; leaves not of floating point stay put.
    """

    center: Params
    directions: tuple[Params, Params]

    def at(self, x: Scalar, y: Scalar) -> Params:
        """The parameters at a place; one compiled program for all places."""
        return _at(self, x, y)


def interpolate(first: Params, second: Params, share: Scalar) -> Params:
    """The parameters at a share of the way from one network to another.

    Args:
      first: where share 0 is.
      second: where share 1 is, of the same structure; leaves not of floating point are
        taken from it.
      share: any number; beyond 0 and 1 the line goes on.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.trajectory import interpolate
      >>> interpolate({"w": jnp.zeros(2)}, {"w": jnp.ones(2)}, 0.25)["w"].tolist()
      [0.25, 0.25]
    """

    def between(one: ArrayLike, other: ArrayLike) -> ArrayLike:
        if not trees.is_float(other):
            return other
        return ((1 - share) * one + share * other).astype(other.dtype)

    return jax.tree.map(between, first, second)


def plane_metrics(
    evaluate: Callable[[Params], PyTree],
    plane: Plane,
    x: Num[ArrayLike, " columns"],
    y: Num[ArrayLike, " rows"],
) -> PyTree:
    """Evaluates networks on a grid in a plane, one after another.

    One network is in memory at a time, and one program makes them all.

    Args:
      evaluate: `evaluate(params) -> metrics`, any pytree of arrays; best jitted.
      plane: where the networks lie.
      x: places along the first direction.
      y: places along the second.

    Returns:
      The metrics with two leading axes [rows, columns, ...]: entry [i, j] is that of
      `plane.at(x[j], y[i])`.

    Example:
      >>> import jax.numpy as jnp, numpy as np
      >>> from cmd_jax.trajectory import Plane, plane_metrics
      >>> axes = {"w": jnp.array([1.0, 0.0])}, {"w": jnp.array([0.0, 1.0])}
      >>> plane = Plane({"w": jnp.zeros(2)}, axes)
      >>> loss = plane_metrics(
      ...     lambda params: (params["w"] ** 2).sum(), plane, np.arange(3), np.arange(2)
      ... )
      >>> loss.tolist()
      [[0.0, 1.0, 4.0], [1.0, 2.0, 5.0]]
    """
    plane = jax.device_put(plane)
    columns, rows = np.asarray(x, np.float32), np.asarray(y, np.float32)
    found = [host.fetch(evaluate(plane.at(j, i))) for i in rows for j in columns]

    def as_grid(*values: np.ndarray) -> np.ndarray:
        return np.stack(values).reshape(len(rows), len(columns), *values[0].shape)

    return jax.tree.map(as_grid, *found)


@jax.jit
def _at(plane: Plane, x: Scalar, y: Scalar) -> Params:
    def move(center: ArrayLike, first: ArrayLike, second: ArrayLike) -> ArrayLike:
        if not trees.is_float(center):
            return center
        return (center + (x * first + y * second)).astype(center.dtype)

    return jax.tree.map(move, plane.center, *plane.directions)
