"""The gradient of the bare loss over micro-batches, for source and target alike."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cmd_jax import host, rng, trees
from cmd_jax.types import Array, Key, Params, PyTree

Objective = Callable[[Params, PyTree, PyTree, Key], tuple[Any, Any]]
"""(params, state, batch, key) -> (loss, (state, aux))."""


class Gradient(NamedTuple):
    """`gradient(params, batch, step)`: the mean gradient of a batch's micro-batches.

    One compiled program serves both networks; it is called once per micro-batch, for a
    loop of the compiler's own makes gradients of convolutions slow on a CPU.

    Attributes:
      add: `add(total, params, state, batch, key, share)` adds a share of a
        micro-batch's gradient to the total, which it is donated.
      objective: in training mode, with batch statistics.
      state: what it carries along, the same for every gradient.
      key: the root of its keys, which are both networks' of a pair.
    """

    add: Callable[..., Params]
    objective: Objective
    state: PyTree
    key: Key

    def __call__(self, params: Params, batch: PyTree, step: int) -> Params:
        """Gradients of a batch with leaves [micro, batch, ...]."""
        num_micro = len(jax.tree.leaves(batch)[0])
        total = _zeros(params)
        for number in range(num_micro):
            micro = jax.tree.map(lambda leaf, n=number: leaf[n], batch)
            key = rng.stream(self.key, "objective", step, number)
            total = self.add(total, params, self.state, micro, key, 1 / num_micro)
        return total

    def check(self, params: Params, batch: PyTree) -> None:
        """Refuses an objective that gives no scalar.

        Raises:
          ValueError: names the loss's shape.
        """
        micro = jax.tree.map(lambda leaf: leaf[0], batch)
        loss, _ = jax.eval_shape(self.objective, params, self.state, micro, self.key)
        if loss.shape != ():
            raise ValueError(
                f"the objective gives a loss of shape {loss.shape}; it must be a "
                "scalar, such as the mean over the batch"
            )


def make_gradient(objective: Objective, state: PyTree, *, key: Key) -> Gradient:
    """Builds the gradient of an objective; nothing is compiled before its first call.

    Args:
      objective: (params, state, batch, key) -> (loss, (state, aux)).
      state: what the objective carries along, such as running statistics.
      key: root of the objective's keys.
    """
    # Imported here: it brings Flax, without which networks are permuted and matched.
    from cmd_jax.train.compilation import jit

    def add(
        total: Params,
        params: Params,
        state: PyTree,
        batch: PyTree,
        key: Key,
        share: float | Array,
    ) -> Params:
        gradient, _ = jax.grad(objective, has_aux=True)(params, state, batch, key)
        return jax.tree.map(lambda sum_, g: sum_ + share * g, total, gradient)

    return Gradient(jit(add, donate_argnums=0), objective, state, key)


def check_finite(gradient: Params, *, network: str, step: int) -> None:
    """Refuses a gradient with a number that is not finite.

    Raises:
      FloatingPointError: names the leaf, the network and the step.
    """
    finite = host.fetch(_are_finite(jax.tree.leaves(gradient)))
    for name, fine in zip(trees.leaf_names(gradient), finite, strict=True):
        if not fine:
            raise FloatingPointError(
                f"the gradient of leaf {name!r} of the {network} at t = {step} is not "
                "finite: look at its weights there, and at the batch of that step"
            )


@jax.jit
def _zeros(params: Params) -> Params:
    return jax.tree.map(jnp.zeros_like, params)


@jax.jit
def _are_finite(leaves: list[Any]) -> list[Any]:
    return [jnp.isfinite(leaf).all() for leaf in leaves]
