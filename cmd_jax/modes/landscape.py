"""The loss over the two reference weights of a decomposition (arXiv 2312.13247, §3.5).

With two modes w_i = a_i r_c(i) + b_i is a plane in the weight space of the network, and
the values of the two references are its coordinates.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float64

from cmd_jax import host
from cmd_jax.modes.decomposition import Decomposition
from cmd_jax.modes.reconstruction import reconstruct
from cmd_jax.trajectory import Plane, plane_metrics
from cmd_jax.types import Params, PyTree


class Landscape(NamedTuple):
    """What networks score whose two references take other values.

    Attributes:
      x: values of the first reference, around the middle one of its last record.
      y: values of the second.
      metrics: what `evaluate` gave, each with two leading axes [len(y), len(x)].
      final: what it gave for the reconstruction of the last record.
      place: the values of the two references at the last record.
    """

    x: Float64[np.ndarray, " columns"]
    y: Float64[np.ndarray, " rows"]
    metrics: PyTree
    final: PyTree
    place: Float64[np.ndarray, "2"]


def reference_landscape(
    evaluate: Callable[[Params], PyTree],
    decomposition: Decomposition,
    *,
    num_values: int = 50,
    span: float = 0.5,
) -> Landscape:
    """Varies the two references around their last values, at fixed a, b and c.

    Args:
      evaluate: `evaluate(params) -> metrics`, any pytree of arrays; best jitted. It is
        called for one network after the other.
      decomposition: into two modes.
      num_values: how many values each reference takes.
      span: how far, as a share of the reference's last value. A reference that ended
        near 0 is hardly varied.

    Returns:
      The metrics on the grid.

    Raises:
      ValueError: there are not two modes, or there are fewer than two values.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> walks = np.array([[1, 1], [3, -2], [2, 4]], np.float32)
      >>> fit = modes.decompose(
      ...     Trajectory(walks, np.arange(3)),
      ...     num_modes=2,
      ...     num_samples=2,
      ...     key=jax.random.key(0),
      ... )
      >>> found = modes.reference_landscape(jnp.sum, fit, num_values=3)
      >>> float(found.final), sorted(found.place.tolist()), found.metrics.shape
      (6.0, [2.0, 4.0], (3, 3))
    """
    if num_values < 2:
        raise ValueError(f"num_values is {num_values}; a grid has at least 2")
    plane = reference_plane(decomposition)
    place = decomposition.reference_history[-1].astype(np.float64)
    shifts = np.linspace(-span, span, num_values)[:, None] * np.abs(place)
    return Landscape(
        *(place + shifts).T,
        metrics=plane_metrics(evaluate, plane, *shifts.T),
        final=host.fetch(evaluate(plane.center)),
        place=place,
    )


def reference_plane(decomposition: Decomposition) -> Plane:
    """The plane of networks whose coordinates are shifts of the two references.

    Its center is the reconstruction of the last record.
    """
    num_modes = len(decomposition.references)
    if num_modes != 2:
        raise ValueError(
            f"the decomposition has {num_modes} modes; a landscape is drawn over 2: "
            "decompose with num_modes=2"
        )

    def direction(mode: int) -> Params:
        return jax.tree.map(
            lambda labels, slope: np.where(labels == mode, slope, np.float32(0)),
            decomposition.labels,
            decomposition.slope,
        )

    return Plane(reconstruct(decomposition), (direction(0), direction(1)))
