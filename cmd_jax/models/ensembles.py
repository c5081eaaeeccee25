"""An ensemble of networks of one kind as a network: the mean of their probabilities."""

import jax
import jax.numpy as jnp

from cmd_jax.models.network import Network
from cmd_jax.types import Array, Key, Params, PyTree


def ensemble(network: Network, num_members: int) -> Network:
    """The network whose probabilities are the mean of its members'.

    Its logits are log((1/N) Σ_n softmax(logits of member n)), so that accuracy and
    cross-entropy are computed of them as of any network's.

    Args:
      network: what every member is.
      num_members: N.

    Returns:
      The ensemble: its parameters and its state are tuples with an entry a member.
      Running statistics are gathered anew for each member by itself.

    Raises:
      ValueError: `num_members` is smaller than 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> pair = models.ensemble(models.create("mlp", num_classes=3, hidden=(4,)), 2)
      >>> images = jnp.zeros((5, 8, 8, 1))
      >>> logits, _ = pair.apply(*pair.init(jax.random.key(0), images), images)
      >>> [round(float(total), 5) for total in jnp.exp(logits).sum(axis=1)]
      [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if num_members < 1:
        raise ValueError(f"num_members={num_members}; allowed is at least 1")

    def init(key: Key, inputs: Array) -> tuple[Params, PyTree]:
        members = [network.init(k, inputs) for k in jax.random.split(key, num_members)]
        params, states = zip(*members, strict=True)
        return params, states

    def apply(
        params: Params,
        state: PyTree,
        inputs: Array,
        *,
        train: bool = False,
        key: Key | None = None,
    ) -> tuple[Array, PyTree]:
        keys = (
            [None] * num_members if key is None else jax.random.split(key, num_members)
        )
        members = [
            network.apply(*member, inputs, train=train, key=k)
            for *member, k in zip(params, state, keys, strict=True)
        ]
        logs = jnp.stack([jax.nn.log_softmax(logits) for logits, _ in members])
        mean = jax.nn.logsumexp(logs, axis=0) - jnp.log(num_members)
        return mean, tuple(changed for _, changed in members)

    return Network(init, apply, network.convolutional)
