"""Training the reduced model: embedded weights are tied to their references.

The free weights z, references among them, are the parameters of a smaller model; all
weights are an affine function of them, w = E z + b, with rows a_i e_c(i) for embedded
weights and e_i for free ones. So the gradient of the reduced model is

    g_z = E' g_w:    g_i for a free weight,  g_r + sum_i a_i g_i  for a reference

over the embedded weights i of its mode. The optimizer sees z only: no update and no
memory for what is embedded. Its arrays get shorter at each round, and only then is
anything compiled anew.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int32

from cmd_jax import host
from cmd_jax.modes.embedded_optimizers import follow_updates
from cmd_jax.modes.embedding import (
    Embedding,
    nothing_embedded,
    reference_coordinates,
)
from cmd_jax.types import Array, Params, PyTree


class TiedState(NamedTuple):
    """The state of `tied`; `tie` makes the one of the next round.

    Attributes:
      inner: the wrapped optimizer's, for the free weights as one flat vector.
      free: the flat coordinates of the free weights, in order.
      embedding: which weights are embedded.
    """

    inner: PyTree
    free: Int32[Array, "*seeds free"]
    embedding: Embedding


def tied(
    optimizer: optax.GradientTransformation, *, num_modes: int, scaled: bool = False
) -> optax.GradientTransformation:
    """Trains the reduced model, by its true gradient.

    Parameters and gradients keep their shapes, so that nothing around the optimizer
    needs to know; the optimizer's own state is that of the free weights.

    Args:
      optimizer: an Optax transformation that treats each weight by itself, as SGD and
        Adam do, and whose updates are added to the parameters.
      num_modes: M.
      scaled: whether the embedding keeps `scale`, as the rule "relative" needs.

    Returns:
      A transformation with a `TiedState`, in which nothing is embedded at first.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from cmd_jax import modes
      >>> optimizer = modes.tied(optax.sgd(0.5, momentum=0.9), num_modes=1)
      >>> optimizer.init({"w": jnp.zeros((2, 3))}).inner[0].trace.shape
      (6,)
    """

    def init(params: Params) -> TiedState:
        flat, _ = ravel_pytree(params)
        return TiedState(
            inner=optimizer.init(flat),
            free=jnp.arange(flat.size, dtype=jnp.int32),
            embedding=nothing_embedded(params, num_modes=num_modes, scaled=scaled),
        )

    def update(
        updates: Any, state: TiedState, params: Params = None
    ) -> tuple[Any, TiedState]:
        reduced = reduce_gradient(updates, state)
        flat, unravel = ravel_pytree(params)
        values = _take(flat, state.free)
        reduced, inner = optimizer.update(reduced, state.inner, values)
        updates = unravel(_put(reduced, state.free, flat.size))
        updates = follow_updates(state.embedding, updates, params)
        return updates, state._replace(inner=inner)

    return optax.GradientTransformation(init, update)


def reduce_gradient(gradients: PyTree, state: TiedState) -> Float[Array, " free"]:
    """The gradient with respect to the free weights, E' g."""
    embedding = state.embedding
    num_modes = embedding.references.leaf.shape[-1]

    def pull(gradient: Any, embedded: Any, labels: Any, slope: Any) -> Any:
        weighted = jnp.where(embedded, slope * gradient, 0).ravel()
        modes = labels.ravel().astype(jnp.int32)
        return jax.ops.segment_sum(weighted, modes, num_segments=num_modes)

    pulls = jax.tree.map(
        pull, gradients, embedding.embedded, embedding.labels, embedding.slope
    )
    references = reference_coordinates(embedding, gradients)
    places = jnp.searchsorted(state.free, references)
    flat, _ = ravel_pytree(gradients)
    return _take(flat, state.free).at[places].add(sum(jax.tree.leaves(pulls)))


def _take(flat: Array, free: Array) -> Array:
    """The free weights' numbers; all of them, as they are, if nothing is embedded."""
    return flat if flat.shape == free.shape else flat[free]


def _put(reduced: Array, free: Array, size: int) -> Array:
    """The free weights' numbers among all weights', 0 where one is embedded."""
    if reduced.size == size:
        return reduced
    empty = jnp.zeros(size, reduced.dtype)
    return empty.at[free].set(reduced, unique_indices=True, indices_are_sorted=True)


def tie(state: TiedState, embedding: Embedding) -> TiedState:
    """The state with another embedding: what the optimizer knows of its free weights.

    Args:
      state: of the last round.
      embedding: embeds at least what the state's does.

    Raises:
      ValueError: a weight that was embedded would be free again; the optimizer knows
        nothing about it.
    """
    masks = jax.tree.leaves(host.fetch(embedding.embedded))
    mask = np.concatenate([np.ravel(leaf) for leaf in masks])
    before, free = np.asarray(host.fetch(state.free)), np.flatnonzero(~mask)
    kept = np.isin(before, free, assume_unique=True)
    if kept.sum() != len(free):
        raise ValueError(
            f"{len(free) - kept.sum()} weights that are embedded would be free again; "
            "a round can only embed more"
        )
    keep = np.flatnonzero(kept)

    def cut(leaf: Array) -> Array:
        return leaf[keep] if leaf.shape == before.shape else leaf

    return TiedState(
        inner=jax.tree.map(cut, state.inner),
        free=jnp.asarray(free, jnp.int32),
        embedding=embedding,
    )
