"""Objectives: (params, state, batch, key) -> (loss, (state, aux)).

`batch` is a dict of `"inputs"` (preprocessed) and `"labels"`; `aux["metrics"]` holds
scalars that the loop logs, `aux["residues"]` the displacements v_k of the batch in its
residual blocks; a method that changes training wraps an objective.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from cmd_jax.models import Network
from cmd_jax.types import Array, Key, Params, PyTree

Batch = dict[str, Array]
Objective = Callable[
    [Params, PyTree, Batch, Key], tuple[Array, tuple[PyTree, dict[str, Any]]]
]


def cross_entropy(network: Network) -> Objective:
    """Mean softmax cross-entropy of a classifier in training mode.

    Args:
      network: gives logits [batch, classes], or [batch, tokens, classes] where every
        token has a label; the mean is over all labels then.

    Returns:
      An objective whose metrics are the batch's accuracy (a fraction), and whose
      residues are those of the network, none if it does not tell of its blocks.
    """

    def objective(
        params: Params, state: PyTree, batch: Batch, key: Key
    ) -> tuple[Array, tuple[PyTree, dict[str, Any]]]:
        inputs, residues = batch["inputs"], ()
        if network.flow is None:
            logits, state = network.apply(params, state, inputs, train=True, key=key)
        else:
            logits, state, passages = network.flow(
                params, state, inputs, train=True, key=key
            )
            residues = tuple(passage.residue for passage in passages)
        labels = batch["labels"]
        loss = cross_entropy_sum(logits, labels) / labels.size
        accuracy = num_correct(logits, labels) / labels.size
        aux = {"metrics": {"accuracy": accuracy}, "residues": residues}
        return loss, (state, aux)

    return objective


def reconstruction_error(network: Network) -> Objective:
    """Mean squared error of an auto-encoder's reconstructions, in training mode.

    Args:
      network: gives reconstructions of its inputs; labels play no part.

    Returns:
      An objective: a mean over examples and features, without metrics or residues.
    """

    def objective(
        params: Params, state: PyTree, batch: Batch, key: Key
    ) -> tuple[Array, tuple[PyTree, dict[str, Any]]]:
        inputs = batch["inputs"]
        outputs, state = network.apply(params, state, inputs, train=True, key=key)
        loss = jnp.mean((outputs - inputs) ** 2)
        return loss, (state, {"metrics": {}, "residues": ()})

    return objective


def cross_entropy_sum(
    logits: Float[Array, "batch *tokens classes"], labels: Int[Array, "batch *tokens"]
) -> Float[Array, ""]:
    """Softmax cross-entropy (nats) summed over the batch."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.sum()


def num_correct(
    logits: Float[Array, "batch *tokens classes"], labels: Int[Array, "batch *tokens"]
) -> Int[Array, ""]:
    """How many labels of the batch have their logit on top."""
    return jnp.sum(jnp.argmax(logits, axis=-1) == labels)
