"""Two ways to train with embedded weights by masks: `snap` and `freeze`.

Both wrap an optimizer and keep its state for all weights; their shapes never change, so
nothing is compiled anew when weights are embedded. `tied_weights` has the third way.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Int32

from cmd_jax.modes.embedding import Embedding, follow_references, nothing_embedded
from cmd_jax.types import Array, Params, PyTree


class EmbeddedState(NamedTuple):
    """The state of `snap` and `freeze`.

    Attributes:
      inner: the wrapped optimizer's.
      num_updates: how many were made.
      embedding: which weights are embedded; a round puts another one in its place.
    """

    inner: PyTree
    num_updates: Int32[Array, ""]
    embedding: Embedding


def freeze(
    optimizer: optax.GradientTransformation, *, num_modes: int, scaled: bool = False
) -> optax.GradientTransformation:
    """Trains the free weights alone; embedded ones follow their references.

    The gradient of an embedded weight is not used: where `tied` passes it on to the
    reference, it is lost here. After every update each embedded weight is where its
    reference puts it.

    Args:
      optimizer: any Optax transformation whose updates are added to the parameters.
      num_modes: M.
      scaled: whether the embedding keeps `scale`, as the rule "relative" needs.

    Returns:
      A transformation with an `EmbeddedState`, in which nothing is embedded at first.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from cmd_jax import modes
      >>> optimizer = modes.freeze(optax.sgd(0.5), num_modes=1)
      >>> params = jnp.array([1.0, 2.0])
      >>> updates, _ = optimizer.update(
      ...     jnp.ones(2), optimizer.init(params), params
      ... )
      >>> updates.tolist()
      [-0.5, -0.5]
    """
    return _following(optimizer, num_modes, scaled, every_updates=1)


def snap(
    optimizer: optax.GradientTransformation,
    *,
    num_modes: int,
    every_updates: int,
    scaled: bool = False,
) -> optax.GradientTransformation:
    """Trains all weights, and sets the embedded ones back once an epoch.

    What the authors' release does: embedded weights are trained like all others, and
    overwritten by what their references say at the end of each epoch.

    Args:
      optimizer: any Optax transformation whose updates are added to the parameters.
      num_modes: M.
      every_updates: the optimizer steps of an epoch.
      scaled: whether the embedding keeps `scale`, as the rule "relative" needs.

    Returns:
      A transformation with an `EmbeddedState`, in which nothing is embedded at first.

    Raises:
      ValueError: `every_updates` is below 1.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from cmd_jax import modes
      >>> optimizer = modes.snap(optax.sgd(0.5), num_modes=1, every_updates=390)
      >>> int(optimizer.init(jnp.zeros(2)).num_updates)
      0
    """
    if every_updates < 1:
        raise ValueError(f"every_updates is {every_updates}; allowed are 1 and up")
    return _following(optimizer, num_modes, scaled, every_updates=every_updates)


def _following(
    optimizer: optax.GradientTransformation,
    num_modes: int,
    scaled: bool,
    *,
    every_updates: int,
) -> optax.GradientTransformation:
    """Updates that put embedded weights where their references say, every so often."""

    def init(params: Params) -> EmbeddedState:
        return EmbeddedState(
            inner=optimizer.init(params),
            num_updates=jnp.zeros((), jnp.int32),
            embedding=nothing_embedded(params, num_modes=num_modes, scaled=scaled),
        )

    def update(
        updates: Any, state: EmbeddedState, params: Params = None
    ) -> tuple[Any, EmbeddedState]:
        updates, inner = optimizer.update(updates, state.inner, params)
        num_updates = state.num_updates + 1
        due = num_updates % every_updates == 0
        updates = follow_updates(state.embedding, updates, params, due)
        return updates, EmbeddedState(inner, num_updates, state.embedding)

    return optax.GradientTransformation(init, update)


def follow_updates(
    embedding: Embedding, updates: Any, params: Params, due: bool | Array = True
) -> Any:
    """The updates with those of embedded weights replaced, where it is due."""
    followed = follow_references(embedding, optax.apply_updates(params, updates))

    def replace(update: Any, embedded: Any, target: Any, leaf: Any) -> Any:
        return jnp.where(embedded & due, target - leaf, update)

    return jax.tree.map(replace, updates, embedding.embedded, followed, params)
