"""A network as pure functions: all that training and evaluation know of a model.

Flax stays behind `from_linen`; a network of any other library is used by filling a
`Network` by hand.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.core import DenyList

from cmd_jax.models.passages import PASSAGES, SHIFTS, Passage
from cmd_jax.types import Array, Key, Params, PyTree


class Network(NamedTuple):
    """A network's pure functions.

    Attributes:
      init: `init(key, inputs) -> (params, state)`; only the shape and dtype of `inputs`
        (float32 [batch, height, width, channels], or integers [batch, tokens]) matter.
      apply: `apply(params, state, inputs, *, train=False, key=None) -> (logits, state)`
        with float32 logits [batch, classes], or [batch, tokens, classes] of tokens.
        `state` holds what is carried beside the parameters (BatchNorm statistics) and
        changes only where `train` is true; `key` feeds dropout.
      convolutional: whether the network convolves, which decides how its training steps
        are dispatched on a CPU.
      update_statistics: `update_statistics(params, state, inputs, weight, *, key=None)
        -> state` moves the running statistics to `(1 - weight) * old + weight * new`,
        where the new ones are those of these inputs in training mode; all else in the
        state stays. None for a network that keeps no running statistics.
      flow: as `apply`, and gives a third: a `Passage` for each residual block, in
        order. Its argument `shifts`, {"block_0": array, ...}, is added to what the
        blocks take in. None for a network that does not tell of its blocks.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("mlp", num_classes=10, hidden=(32,))
      >>> images = jnp.zeros((4, 8, 8, 1))
      >>> params, state = network.init(jax.random.key(0), images)
      >>> logits, state = network.apply(params, state, images)
      >>> logits.shape
      (4, 10)
    """

    init: Callable[..., tuple[Params, PyTree]]
    apply: Callable[..., tuple[Array, PyTree]]
    convolutional: bool
    update_statistics: Callable[..., PyTree] | None = None
    flow: Callable[..., tuple[Array, PyTree, tuple[Passage, ...]]] | None = None


def from_linen(module: nn.Module, *, convolutional: bool) -> Network:
    """The `Network` of a Flax Linen module.

    Args:
      module: called as `module(inputs, train=bool)`; its "params" collection becomes
        the parameters, all others the state, and `key` its "dropout" stream. Running
        statistics are what it keeps in "batch_stats", averaged exponentially. Residual
        blocks are those that call `advance`.
      convolutional: see `Network`.

    Returns:
      The pure functions of the module; its state is `{}` if it has parameters only.

    Example:
      >>> from cmd_jax import models
      >>> network = models.from_linen(models.MLP(num_classes=2), convolutional=False)
      >>> network.convolutional
      False
    """

    def init(key: Key, inputs: Array) -> tuple[Params, PyTree]:
        kept = DenyList(["intermediates", PASSAGES, SHIFTS])
        variables = dict(module.init(key, inputs, train=False, mutable=kept))
        return variables.pop("params"), variables

    def flow(
        params: Params,
        state: PyTree,
        inputs: Array,
        *,
        train: bool = False,
        key: Key | None = None,
        shifts: dict[str, Array] | None = None,
    ) -> tuple[Array, PyTree, tuple[Passage, ...]]:
        variables = {"params": params, **state}
        logits, changed = module.apply(
            variables if shifts is None else {**variables, SHIFTS: shifts},
            inputs,
            train=train,
            mutable=[*(state if train else ()), PASSAGES],
            rngs=None if key is None else {"dropout": key},
        )
        updated = dict(changed)
        passages = updated.pop(PASSAGES, {}).get("passage", ())
        return logits, {**state, **updated}, passages

    def apply(
        params: Params, state: PyTree, inputs: Array, **options: Any
    ) -> tuple[Array, PyTree]:
        return flow(params, state, inputs, **options)[:2]

    def update_statistics(
        params: Params,
        state: PyTree,
        inputs: Array,
        weight: Any,
        *,
        key: Key | None = None,
    ) -> PyTree:
        if "batch_stats" not in state:
            return state

        def step(old: PyTree) -> PyTree:
            before = {**state, "batch_stats": old}
            return apply(params, before, inputs, train=True, key=key)[1]["batch_stats"]

        old = state["batch_stats"]
        new = _averaged_in(step, old)
        mixed = jax.tree.map(lambda a, b: (1 - weight) * a + weight * b, old, new)
        return {**state, "batch_stats": mixed}

    return Network(init, apply, convolutional, update_statistics, flow)


def _averaged_in(step: Callable[[PyTree], PyTree], old: PyTree) -> PyTree:
    """The b of a step `s -> m s + (1 - m) b`, whatever the m of each layer.

    At s = 0 the step gives (1 - m) b, and its derivative along ones is m. A frozen
    layer (m = 1) averages nothing in and keeps its old statistics.
    """
    zeros, ones = (jax.tree.map(fill, old) for fill in (jnp.zeros_like, jnp.ones_like))
    moved, kept = jax.jvp(step, (zeros,), (ones,))
    return jax.tree.map(
        lambda s, b, m: jnp.where(m == 1, s, b / (1 - m)), old, moved, kept
    )
