"""Embedded training: what `tied` keeps and costs where 90 % of the weights are tied."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmark_cases.case import Case, Work
from benchmark_cases.estimators import NUM_FITTED, NUM_MODES, decompose, random_walk
from benchmark_cases.training import NUM_STEPS, bare_steps, lenet5
from cmd_jax import modes, train, trees
from cmd_jax.types import Params

SHARE = 0.9


def tied_with_embedded(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """`tied`, begun with weights drawn at random already embedded."""
    decomposition = decompose(random_walk("lenet5", NUM_FITTED))
    tied = modes.tied(optimizer, num_modes=NUM_MODES)

    def init(params: Params) -> modes.TiedState:
        embedding = modes.begin_embedding(decomposition, params)
        return modes.tie(tied.init(params), _embed(embedding, decomposition))

    return optax.GradientTransformation(init, tied.update)


def _embed(
    embedding: modes.Embedding, decomposition: modes.Decomposition
) -> modes.Embedding:
    sizes = trees.leaf_sizes(embedding.embedded)
    mask = np.random.default_rng(0).random(sizes.sum()) < SHARE
    mask[decomposition.references] = False
    leaves, structure = jax.tree.flatten(embedding.embedded)
    parts = np.split(mask, np.cumsum(sizes)[:-1])
    pairs = zip(parts, leaves, strict=True)
    embedded = structure.unflatten(
        jnp.asarray(part.reshape(leaf.shape)) for part, leaf in pairs
    )
    return embedding._replace(embedded=embedded)


def memory() -> Work:
    """Adam's memory of LeNet-5, tied and whole."""
    network, adam, _ = lenet5()
    inputs = jnp.zeros((1, 32, 32, 3))
    key = jax.random.key(0)
    tied = train.initial_state(network, tied_with_embedded(adam), inputs, key=key)
    whole = train.initial_state(network, adam, inputs, key=key)
    state = tied.optimizer_state
    beside = megabytes((state.free, state.embedding))
    return Work(
        reference=lambda: megabytes(whole.optimizer_state),
        case=lambda: megabytes(state.inner),
        note=f"{beside:.2f} MB beside it say which weights are tied, and how",
        unit="MB",
    )


def megabytes(tree: Any) -> float:
    """The size of all arrays of a pytree."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) / 1e6


def step() -> Work:
    """Steps of LeNet-5 as in Table 1, tied and whole."""
    network, adam, dataset = lenet5()
    return Work(
        reference=bare_steps(network, adam, dataset),
        case=bare_steps(network, tied_with_embedded(adam), dataset),
        note=f"{NUM_STEPS} steps a call; the embedding stays",
    )


CASES = (
    Case(
        "tied_memory",
        f"memory of Adam for LeNet-5 with {SHARE:.0%} of the weights tied, against all",
        "at most",
        bar=0.15,
        aim=0.12,
        setup=memory,
    ),
    Case(
        "tied_step",
        f"a training step of LeNet-5 with {SHARE:.0%} of the weights tied, against one "
        "of all weights",
        "at most",
        bar=1.1,
        aim=1.0,
        setup=step,
    ),
)
