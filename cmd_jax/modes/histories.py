"""What is read of a trajectory besides whole blocks: chosen weights, and what is wrong.

Weights are named by flat coordinates: positions in the concatenation of all raveled
leaves, in tree order.
"""

import jax
import numpy as np
from jaxtyping import Float32, Int

from cmd_jax import host, trees
from cmd_jax.trajectory.blocks import AnyTrajectory, on_host
from cmd_jax.types import ArrayLike


def gather(
    trajectory: AnyTrajectory, coordinates: Int[np.ndarray, " weights"]
) -> Float32[np.ndarray, "records weights"]:
    """The histories of some weights.

    Args:
      trajectory: the records, in memory or stored.
      coordinates: flat coordinates, in any order.

    Returns:
      One column per coordinate.

    Raises:
      ValueError: a history is not finite; the message names the leaf and the record.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> params = {"a": np.ones((2, 3), np.float32), "b": np.zeros((2, 1), np.float32)}
      >>> modes.gather(Trajectory(params, np.arange(2)), np.array([3, 0])).tolist()
      [[0.0, 1.0], [0.0, 1.0]]
    """
    leaf, offset = trees.locate(coordinates, trees.leaf_sizes(trajectory.template))
    histories = np.empty((len(trajectory), len(offset)), np.float32)
    for number in np.unique(leaf):
        chosen = np.flatnonzero(leaf == number)
        history = trajectory.gather(int(number), offset[chosen])
        history = host.fetch(history) if isinstance(history, jax.Array) else history
        raise_not_finite(trajectory, int(number), history)
        histories[:, chosen] = history
    return histories


def raise_not_finite(trajectory: AnyTrajectory, leaf: int, history: ArrayLike) -> None:
    """Raises a ValueError if a history of weights in `leaf` is not finite."""
    history = np.asarray(history)
    finite = np.isfinite(history)
    if finite.all():
        return
    record, weight = np.argwhere(~finite)[0]
    raise ValueError(
        f"leaf {trees.leaf_names(trajectory.template)[leaf]!r} holds "
        f"{history[record, weight]} at record {record} (step "
        f"{trajectory.steps[record]}): only finite histories can be decomposed. Leave "
        "the leaf out by mask, or slice the trajectory before that record"
    )


def check_block(trajectory: AnyTrajectory, leaf: int, start: int, stop: int) -> None:
    """Raises the ValueError of a block whose sums were found not to be finite."""
    history = on_host(trajectory).read(leaf, start, stop)
    raise_not_finite(trajectory, leaf, history)
    name = trees.leaf_names(trajectory.template)[leaf]
    raise ValueError(
        f"leaf {name!r} moves by more than 1e18, and float32 does not hold the "
        "squares: leave the leaf out by mask"
    )
