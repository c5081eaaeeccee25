"""Where the flow takes a point cloud, and whether the map it makes is optimal.

W₂² between the clouds before and after a stage is the cheapest way of moving one into
the other; divided by what the network's own map costs, E‖x_B - x_0‖², it is 1 where
that map is an optimal transport map (arXiv 2009.08372, section 3).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cmd_jax.least_action.flow_sums import stages
from cmd_jax.models import Network
from cmd_jax.train.compilation import jit
from cmd_jax.types import Array, ArrayLike, Params, PyTree

Clouds = Callable[[Params, PyTree, Array], list[Array]]


def make_clouds(network: Network) -> Clouds:
    """Builds the function that gives the points of a batch before and after each block.

    Args:
      network: tells of its blocks (`Network.flow`).

    Returns:
      `clouds(params, state, inputs)`: for each stage an array [blocks + 1, examples,
      features], x_0, x_1, ..., x_B.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import least_action, models
      >>> network = models.create("point_resnet", num_classes=2)
      >>> points = jax.random.normal(jax.random.key(1), (5, 1, 1, 2))
      >>> params, state = network.init(jax.random.key(0), points)
      >>> (cloud,) = least_action.make_clouds(network)(params, state, points)
      >>> cloud.shape, bool((cloud[0] == points[:, 0, 0]).all())
      ((10, 5, 2), True)
    """

    @jit
    def clouds(params: Params, state: PyTree, inputs: Array) -> list[Array]:
        if network.flow is None:
            return []
        passages = network.flow(params, state, inputs)[2]
        found = []
        for stage in stages(passages):
            last = stage[-1]
            points = [passage.start for passage in stage]
            points.append(last.start + last.step * last.residue)
            found.append(jnp.stack([x.reshape(len(x), -1) for x in points]))
        return found

    return clouds


def assignment_gap(
    starts: Float[ArrayLike, "examples features"],
    ends: Float[ArrayLike, "examples features"],
) -> float:
    """W₂²(starts, ends) / mean ‖ends - starts‖², by exact assignment on the host.

    Args:
      starts: x_0 of some examples; the assignment of n of them takes n³ at most.
      ends: x_B of the same examples, in the same order.

    Returns:
      At most 1; 1 where no other pairing of the points is cheaper. NaN where nothing
      moves.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import least_action
      >>> left, right = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
      >>> least_action.assignment_gap(left, right)
      1.0
      >>> least_action.assignment_gap(left, right[::-1])
      0.5
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    starts, ends = (np.asarray(x, np.float64) for x in jax.device_get((starts, ends)))
    costs = cdist(starts, ends, "sqeuclidean")
    optimal = costs[linear_sum_assignment(costs)].mean()
    own = costs.diagonal().mean()
    return float(optimal / own) if own > 0 else float("nan")
