"""What one batch adds to the measures of a flow: sums over its examples, on the device.

Everything that `measures` divides by the number of examples in the end.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from cmd_jax.models import Network, Passage
from cmd_jax.train.objective import cross_entropy_sum
from cmd_jax.types import Array, Params, PyTree


class FlowSums(NamedTuple):
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


def flow_and_gradients(
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


def batch_sums(passages: Sequence[Passage], gradients: Sequence[Array]) -> FlowSums:
    """The sums over a batch.

    Args:
      passages: of each block.
      gradients: of each example's loss at what each block takes in.
    """
    residues = [_flat(passage.residue) for passage in passages]
    norms = [jnp.linalg.norm(v, axis=1) for v in residues]
    starts = (jnp.linalg.norm(_flat(p.start), axis=1) for p in passages)
    cosines = [
        _cosine(v, -_flat(gradient))
        for v, gradient in zip(residues, gradients, strict=True)
    ]
    return FlowSums(
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
