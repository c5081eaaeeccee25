"""Small training sets: every seed trains on a subset of its own.

A subset is drawn uniformly and without replacement from the whole training set, by the
seed's key; or stratified, with the classes in the shares that they have there.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from cmd_jax.rng import stream
from cmd_jax.types import Array, Key


class Subset(NamedTuple):
    """The draw of a seed's training set.

    Attributes:
      size: its number of examples.
      draw: `draw(key)`: the rows of the whole training set that are in it, in an order
        that says nothing, by the seed's root key; it can be traced.
    """

    size: int
    draw: Callable[[Key], Int[Array, " taken"]]


def make_subset(
    labels: Int[np.ndarray, " examples"],
    size: int,
    *,
    num_classes: int,
    stratified: bool = False,
) -> Subset:
    """Builds the draw of a seed's training set.

    Args:
      labels: of the whole training set.
      size: examples of a subset.
      num_classes: of the data set.
      stratified: whether every class has its share, up to one example.

    Returns:
      The draw, from the stream "subset" of a seed's root key.

    Raises:
      ValueError: the subset is larger than the training set, or smaller than the number
        of classes.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import data
      >>> labels = np.repeat(np.arange(2), 50)
      >>> subset = data.make_subset(labels, 10, num_classes=2, stratified=True)
      >>> np.bincount(labels[subset.draw(jax.random.key(0))]).tolist()
      [5, 5]
    """
    if not num_classes <= size <= len(labels):
        raise ValueError(
            f"a training subset of {size} examples; allowed are {num_classes} (the "
            f"number of classes) to {len(labels)} (the whole training set)"
        )
    num_examples = len(labels)

    def draw(key: Key) -> Int[Array, " taken"]:
        order = jax.random.permutation(stream(key, "subset"), num_examples)
        if not stratified:
            return order[:size]
        return order[jnp.argsort(_place_in_class(order))[:size]]

    def _place_in_class(order: Int[Array, " examples"]) -> Array:
        """How far down the list of its class each example stands, from 0 to 1."""
        members = jnp.asarray(labels)[order][:, None] == jnp.arange(num_classes)[None]
        place = (jnp.cumsum(members, axis=0) - 0.5) / members.sum(axis=0, keepdims=True)
        return jnp.sum(jnp.where(members, place, 0), axis=1)

    return Subset(size, draw)
