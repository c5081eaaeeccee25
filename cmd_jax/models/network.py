"""A network as two pure functions: all that training and evaluation know of a model.

Flax stays behind `from_linen`; a network of any other library is used by filling a
`Network` by hand.
"""

from collections.abc import Callable
from typing import NamedTuple

from flax import linen as nn

from cmd_jax.types import Array, Key, Params, PyTree


class Network(NamedTuple):
    """A network's pure functions.

    Attributes:
      init: `init(key, inputs) -> (params, state)`; only the shape and dtype of `inputs`
        (float32, [batch, height, width, channels]) matter.
      apply: `apply(params, state, inputs, *, train=False, key=None) -> (logits, state)`
        with float32 logits [batch, classes]. `state` holds what is carried beside the
        parameters (BatchNorm statistics) and changes only where `train` is true; `key`
        feeds dropout.
      convolutional: whether the network convolves, which decides how its training steps
        are dispatched on a CPU.

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


def from_linen(module: nn.Module, *, convolutional: bool) -> Network:
    """The `Network` of a Flax Linen module.

    Args:
      module: called as `module(inputs, train=bool)`; its "params" collection becomes
        the parameters, all others the state, and `key` its "dropout" stream.
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
        variables = dict(module.init(key, inputs, train=False))
        return variables.pop("params"), variables

    def apply(
        params: Params,
        state: PyTree,
        inputs: Array,
        *,
        train: bool = False,
        key: Key | None = None,
    ) -> tuple[Array, PyTree]:
        logits, updated = module.apply(
            {"params": params, **state},
            inputs,
            train=train,
            mutable=list(state) if train else [],
            rngs=None if key is None else {"dropout": key},
        )
        return logits, {**state, **updated}

    return Network(init, apply, convolutional)
