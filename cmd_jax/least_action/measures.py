"""Measures of a network's flow, in one pass over a data set (arXiv 2009.08372).

Of each block: energy E‖v_k‖², forcing E‖v_k‖, E(‖v_k‖ / ‖x_k‖), E cos(v_k, -∇L at x_k).
Of each stage, a run of B blocks that share one shape: the path length h Σ E‖v_k‖, the
displacement E‖x_B - x_0‖, and the geodesic index

    h² B Σ E‖v_k‖² / E‖x_B - x_0‖²,

which is 1 where all points move straight and at constant speed, and larger elsewhere.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from cmd_jax import host, sharding
from cmd_jax.data import Examples
from cmd_jax.least_action.flow_sums import FlowSums, batch_sums, flow_and_gradients
from cmd_jax.models import Network
from cmd_jax.train.compilation import jit
from cmd_jax.train.evaluation import place
from cmd_jax.types import Array, Params, PyTree

Measure = Callable[[Params, PyTree], "FlowMeasures"]


class FlowMeasures(NamedTuple):
    """How a network moves the examples of a data set; means over the examples.

    Attributes:
      energy: E‖v_k‖² of each block.
      forcing: E‖v_k‖.
      relative: E(‖v_k‖ / ‖x_k‖).
      alignment: E cos(v_k, -∇L at x_k): 1 where a block descends the loss; NaN for a
        block with a projection shortcut, or where either is zero.
      path_length: h Σ E‖v_k‖ of each stage.
      displacement: E‖x_B - x_0‖.
      geodesic_index: at least 1, for B > 1; NaN where nothing moves.
    """

    energy: Float[np.ndarray, "blocks"]
    forcing: Float[np.ndarray, "blocks"]
    relative: Float[np.ndarray, "blocks"]
    alignment: Float[np.ndarray, "blocks"]
    path_length: Float[np.ndarray, "stages"]
    displacement: Float[np.ndarray, "stages"]
    geodesic_index: Float[np.ndarray, "stages"]

    @property
    def kinetic_energy(self) -> float:
        """Σ_k E‖v_k‖²: the transport cost with features summed."""
        return float(self.energy.sum())


def make_measure(
    network: Network,
    examples: Examples,
    *,
    preprocess: Callable[[Array], Array],
    batch_size: int,
    mesh: Mesh | None = None,
) -> Measure:
    """Builds the pass that measures a network's flow on a data set, tested as it is.

    Args:
      network: tells of its blocks (`Network.flow`).
      examples: the data set.
      preprocess: stored images -> float32 inputs, without augmentation.
      batch_size: examples of a batch, at least 1; the last one holds the remainder.
      mesh: the devices that a batch is split over; None for one device.

    Returns:
      `measure(params, state) -> FlowMeasures`, of NumPy arrays.

    Raises:
      ValueError: the network has no block that keeps the dimension.

    Example:
      >>> import jax
      >>> from cmd_jax import data, least_action, models
      >>> circles = data.load("circles")
      >>> network = models.create("point_resnet", num_classes=2)
      >>> preprocess = data.augmenter(circles)
      >>> inputs = preprocess(circles.test.inputs[:1])
      >>> params, state = network.init(jax.random.key(0), inputs)
      >>> measure = least_action.make_measure(
      ...     network, circles.test, preprocess=preprocess, batch_size=200
      ... )
      >>> measures = measure(params, state)
      >>> measures.energy.shape, bool(measures.geodesic_index[0] >= 1)
      ((9,), True)
    """

    @jit
    def sums(params: Params, state: PyTree, images: Array, labels: Array) -> FlowSums:
        if mesh is not None:
            parts = sharding.split(mesh)
            images, labels = jax.lax.with_sharding_constraint((images, labels), parts)
        inputs = preprocess(images)
        passages, gradients = flow_and_gradients(network, params, state, inputs, labels)
        return batch_sums(passages, gradients)

    num_examples = len(examples.labels)

    def measure(params: Params, state: PyTree) -> FlowMeasures:
        params, state = place((params, state), mesh)
        batches = (
            place(tuple(x[start : start + batch_size] for x in examples), mesh)
            for start in range(0, num_examples, batch_size)
        )
        parts = [host.fetch(sums(params, state, *batch)) for batch in batches]
        total = jax.tree.map(lambda *parts: sum(map(np.float64, parts)), *parts)
        return _measures(jax.tree.map(lambda part: part / num_examples, total))

    return measure


def _measures(means: FlowSums) -> FlowMeasures:
    parts = {name: np.asarray(part) for name, part in means._asdict().items()}
    kept = {name: parts[name] for name in FlowMeasures._fields if name in parts}
    with np.errstate(divide="ignore", invalid="ignore"):
        kept["alignment"] = parts["alignment"] / parts["defined"]
        index = parts["straight_energy"] / parts["squared_displacement"]
    return FlowMeasures(**kept, geodesic_index=index)
