"""Measures of a network's flow, in one pass over a data set (arXiv 2009.08372).

Of each block: energy E‖v_k‖², forcing E‖v_k‖, E(‖v_k‖ / ‖x_k‖), E cos(v_k, -∇L at x_k).
Of each stage, a run of B blocks that share one shape: the path length h Σ E‖v_k‖, the
displacement E‖x_B - x_0‖, and the geodesic index

    h² B Σ E‖v_k‖² / E‖x_B - x_0‖²,

which is 1 where all points move straight and at constant speed, and larger elsewhere.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from cmd_jax import host, sharding
from cmd_jax.data import Examples
from cmd_jax.models import Network, Passage
from cmd_jax.train.compilation import jit
from cmd_jax.train.evaluation import place
from cmd_jax.train.objective import cross_entropy_sum
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
    def sums(params: Params, state: PyTree, images: Array, labels: Array) -> Any:
        if mesh is not None:
            parts = sharding.split(mesh)
            images, labels = jax.lax.with_sharding_constraint((images, labels), parts)
        inputs = preprocess(images)
        passages, gradients = _flow_and_gradients(
            network, params, state, inputs, labels
        )
        return _sums(passages, gradients)

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


class _Sums(NamedTuple):
    """Sums over examples; `defined` counts those that have an alignment."""

    energy: Array
    forcing: Array
    relative: Array
    alignment: Array
    defined: Array
    path_length: Array
    displacement: Array
    squared_displacement: Array
    straight_energy: Array


def _flow_and_gradients(
    network: Network, params: Params, state: PyTree, inputs: Array, labels: Array
) -> tuple[tuple[Passage, ...], list[Array]]:
    """The passages of a batch, and the gradient of each example's loss at each x_k.

    An example's loss depends on its own x_k alone, so one backward pass gives all.
    """
    flow = network.flow
    passages = () if flow is None else jax.eval_shape(flow, params, state, inputs)[2]
    if not passages:
        raise ValueError(
            "the network has no residual block that keeps the dimension, or does not "
            "tell of it: there is no flow to measure"
        )

    def loss(shifts: dict[str, Array]) -> tuple[Array, tuple[Passage, ...]]:
        assert flow is not None
        logits, _, passages = flow(params, state, inputs, shifts=shifts)
        return cross_entropy_sum(logits, labels), passages

    shifts = {
        f"block_{number}": jnp.zeros(passage.start.shape, passage.start.dtype)
        for number, passage in enumerate(passages)
    }
    gradients, passages = jax.grad(loss, has_aux=True)(shifts)
    return passages, [gradients[name] for name in shifts]


def _sums(passages: Sequence[Passage], gradients: Sequence[Array]) -> _Sums:
    residues = [_flat(passage.residue) for passage in passages]
    norms = [jnp.linalg.norm(v, axis=1) for v in residues]
    starts = (jnp.linalg.norm(_flat(p.start), axis=1) for p in passages)
    cosines = [
        _cosine(v, -_flat(gradient))
        for v, gradient in zip(residues, gradients, strict=True)
    ]
    return _Sums(
        energy=jnp.stack([jnp.sum(norm**2) for norm in norms]),
        forcing=jnp.stack([jnp.sum(norm) for norm in norms]),
        relative=jnp.stack(
            [jnp.sum(n / start) for n, start in zip(norms, starts, strict=True)]
        ),
        alignment=jnp.stack([jnp.nansum(cosine) for cosine in cosines]),
        defined=jnp.stack([jnp.sum(~jnp.isnan(cosine)) for cosine in cosines]),
        **_stage_sums(passages),
    )


def _stage_sums(passages: Sequence[Passage]) -> dict[str, Array]:
    length, displacement, squared, straight = [], [], [], []
    for stage in stages(passages):
        moves = [passage.step * _flat(passage.residue) for passage in stage]
        norms = jnp.stack([jnp.linalg.norm(move, axis=1) for move in moves])
        whole = jnp.linalg.norm(sum(moves), axis=1)
        length.append(jnp.sum(norms))
        displacement.append(jnp.sum(whole))
        squared.append(jnp.sum(whole**2))
        straight.append(len(stage) * jnp.sum(norms**2))
    return {
        "path_length": jnp.stack(length),
        "displacement": jnp.stack(displacement),
        "squared_displacement": jnp.stack(squared),
        "straight_energy": jnp.stack(straight),
    }


def stages(passages: Sequence[Passage]) -> list[list[Passage]]:
    """The passages in runs of one shape, in order."""
    runs = itertools.groupby(passages, key=lambda passage: passage.residue.shape)
    return [list(run) for _, run in runs]


def _flat(x: Array) -> Float[Array, "batch _"]:
    return x.astype(jnp.float32).reshape(x.shape[0], -1)


def _cosine(a: Float[Array, "batch _"], b: Float[Array, "batch _"]) -> Array:
    """Cosines of the rows, NaN where one is zero; small ones do not underflow."""
    return jnp.sum(_unit(a) * _unit(b), axis=1)


def _unit(x: Float[Array, "batch _"]) -> Array:
    x = x / jnp.max(jnp.abs(x), axis=1, keepdims=True)
    return x / jnp.linalg.norm(x, axis=1, keepdims=True)


def _measures(means: _Sums) -> FlowMeasures:
    with np.errstate(divide="ignore", invalid="ignore"):
        return FlowMeasures(
            energy=means.energy,
            forcing=means.forcing,
            relative=means.relative,
            alignment=means.alignment / means.defined,
            path_length=means.path_length,
            displacement=means.displacement,
            geodesic_index=means.straight_energy / means.squared_displacement,
        )
