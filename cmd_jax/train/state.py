"""What a training run is at one step: everything that a resumed run needs.

Randomness is no part of it: every draw comes from the run's key and the step.
"""

from typing import NamedTuple

import jax.numpy as jnp
import optax

from cmd_jax import rng
from cmd_jax.models import Network
from cmd_jax.types import Array, Key, Params, PyTree


class TrainState(NamedTuple):
    """One seed's training state.

    Attributes:
      step: optimizer steps taken so far (int32 scalar).
      params: the network's trainable parameters.
      state: what the objective carries along (running statistics, multipliers).
      optimizer_state: Optax's state.
    """

    step: Array
    params: Params
    state: PyTree
    optimizer_state: PyTree


States = tuple[TrainState, ...]
"""One state for each seed."""


def initial_state(
    network: Network,
    optimizer: optax.GradientTransformation,
    inputs: Array,
    *,
    key: Key,
) -> TrainState:
    """The state before the first step.

    Args:
      network: the network to train.
      optimizer: an Optax transformation.
      inputs: one preprocessed batch; only its shape and dtype matter.
      key: the run's root key; the stream "init" is used.
    """
    params, state = network.init(rng.stream(key, "init"), inputs)
    return TrainState(jnp.zeros((), jnp.int32), params, state, optimizer.init(params))
