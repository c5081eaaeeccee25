"""Networks on the line between two others, and the barrier that lies between them.

References:
  Frankle et al., Linear Mode Connectivity and the Lottery Ticket Hypothesis, ICML 2020.
"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float, Float64, Num

from cmd_jax import host
from cmd_jax.trajectory.plane import interpolate
from cmd_jax.types import ArrayLike, Params, PyTree

_between = jax.jit(interpolate)


def line_metrics(
    evaluate: Callable[[Params], PyTree],
    first: Params,
    second: Params,
    shares: Num[ArrayLike, " points"],
) -> PyTree:
    """Evaluates networks on the line between two, one after another.

    Args:
      evaluate: `evaluate(params) -> metrics`, any pytree of arrays; it re-estimates
        running statistics where the network has them.
      first: the network at share 0.
      second: that at share 1.
      shares: where to evaluate.

    Returns:
      The metrics with a leading axis [points, ...].

    Example:
      >>> import jax.numpy as jnp, numpy as np
      >>> from cmd_jax.trajectory import line_metrics
      >>> ends = {"w": jnp.array([-1.0])}, {"w": jnp.array([1.0])}
      >>> shares = np.linspace(0, 1, 3)
      >>> line_metrics(lambda params: params["w"][0] ** 2, *ends, shares).tolist()
      [1.0, 0.0, 1.0]
    """
    first, second = jax.device_put((first, second))
    found = [
        host.fetch(evaluate(_between(first, second, share)))
        for share in np.asarray(shares, np.float32)
    ]
    return jax.tree.map(lambda *values: np.stack(values), *found)


def accuracy_barrier(
    accuracies: Float[ArrayLike, "*networks points"],
) -> Float64[np.ndarray, "*networks"]:
    """How far the accuracy falls on a line: mean of the two ends minus the minimum.

    Zero or more where an end is no better than the line's worst network.

    Args:
      accuracies: along the line, from one end to the other.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import accuracy_barrier
      >>> float(accuracy_barrier(np.array([0.9, 0.5, 0.7])).round(3))
      0.3
    """
    values = np.asarray(accuracies, np.float64)
    return np.asarray((values[..., 0] + values[..., -1]) / 2 - values.min(axis=-1))
