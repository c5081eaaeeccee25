"""Evaluation of a network on a whole split: the one place where accuracies come from.

Batches are cut in order, the last one holds the remainder, so that every example counts
once and a network that uses batch statistics sees batches of a named size.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from cmd_jax import sharding
from cmd_jax.data import Examples
from cmd_jax.models import Network
from cmd_jax.train.compilation import jit
from cmd_jax.train.objective import cross_entropy_sum, num_correct
from cmd_jax.types import Array, Params, PyTree

Evaluate = Callable[[Params, PyTree], dict[str, Array]]


def make_evaluate(
    network: Network,
    examples: Examples,
    *,
    preprocess: Callable[[Array], Array],
    batch_size: int,
    dispatch: str,
    mesh: Mesh | None = None,
) -> Evaluate:
    """Builds the evaluation of a network on a split.

    Args:
      network: gives logits in evaluation mode.
      examples: the split; it is moved to the device here, once.
      preprocess: uint8 images -> float32 inputs, without augmentation.
      batch_size: examples of a batch, at least 1.
      dispatch: "scan" (one program) or "step" (one program per batch), as for a chunk.
      mesh: the devices that a batch is split over; None for one device.

    Returns:
      `evaluate(params, state) -> {"loss", "accuracy"}`: device scalars, the mean
      cross-entropy in nats and the fraction of right answers, over all labels.
    """
    data = place((examples.inputs, examples.labels), mesh)
    num_examples = examples.labels.shape[0]
    batch_size = min(batch_size, num_examples)
    num_batches, remainder = divmod(num_examples, batch_size)

    def add_batch(
        sums: Array, params: Params, state: PyTree, data: Any, start: Any, size: int
    ) -> Array:
        images, labels = (
            jax.lax.dynamic_slice_in_dim(x, start, size, axis=0) for x in data
        )
        if mesh is not None:  # the last part is smaller where it does not divide evenly
            parts = sharding.split(mesh)
            images, labels = jax.lax.with_sharding_constraint((images, labels), parts)
        logits, _ = network.apply(params, state, preprocess(images), train=False)
        loss, correct = cross_entropy_sum(logits, labels), num_correct(logits, labels)
        return sums + jnp.stack([loss, correct.astype(jnp.float32)])

    def scanned(params: Params, state: PyTree, data: Any) -> Array:
        def body(i: Array, sums: Array) -> Array:
            return add_batch(sums, params, state, data, i * batch_size, batch_size)

        sums = jax.lax.fori_loop(0, num_batches, body, jnp.zeros(2))
        if remainder:
            start = num_batches * batch_size
            sums = add_batch(sums, params, state, data, start, remainder)
        return sums

    add_compiled = jit(add_batch, static_argnums=5)

    def stepped(params: Params, state: PyTree, data: Any) -> Array:
        sums = place(jnp.zeros(2), mesh)
        for start in range(0, num_examples, batch_size):
            size = min(batch_size, num_examples - start)
            sums = add_compiled(sums, params, state, data, start, size)
        return sums

    total = jit(scanned) if dispatch == "scan" else stepped

    def evaluate(params: Params, state: PyTree) -> dict[str, Array]:
        params, state = place((params, state), mesh)
        loss, correct = total(params, state, data) / examples.labels.size
        return {"loss": loss, "accuracy": correct}

    return evaluate


def place(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Arrays where a test needs them: a copy on every device of the mesh."""
    if mesh is None:
        return jax.device_put(tree)
    return sharding.place(tree, sharding.replicated(mesh))
