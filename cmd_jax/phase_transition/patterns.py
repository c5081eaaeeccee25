"""Mini-batches of random patterns, fresh ones or from a finite training set.

A training set takes no memory: an example is what its own key gives.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, UInt32

from cmd_jax.phase_transition import bits
from cmd_jax.types import Array, Key

Patterns = UInt32[Array, "replicas words inputs"]


def check_training_set(
    num_examples: int, *, replacement: bool, batch_size: int
) -> None:
    """Refuses a training set that holds too few examples for a mini-batch.

    Raises:
      ValueError: names the sizes.
    """
    if num_examples < 0:
        raise ValueError(
            f"num_examples={num_examples}; it must be at least 1, or 0 for fresh "
            "patterns in every batch"
        )
    if num_examples and not replacement and batch_size > num_examples:
        raise ValueError(
            f"a mini-batch of {batch_size} patterns cannot be drawn without "
            f"replacement from num_examples={num_examples}"
        )


def fresh_patterns(
    num_units: int, num_words: int, *, key: Key
) -> UInt32[Array, "words inputs"]:
    """Independent uniform patterns."""
    return jax.random.bits(key, (num_words, num_units), jnp.uint32)


def drawn_patterns(
    examples: Key,
    num_examples: int,
    num_units: int,
    num_words: int,
    *,
    replacement: bool,
    key: Key,
) -> UInt32[Array, "words inputs"]:
    """Patterns drawn from a training set.

    Args:
      examples: the key of the training set.
      num_examples: its size.
      num_units: of a pattern.
      num_words: of the mini-batch.
      replacement: whether an example may come twice.
      key: draws the mini-batch.
    """
    number = num_words * bits.WORD
    if replacement:
        chosen = jax.random.randint(key, (number,), 0, num_examples)
    else:  # what does not fit behind the last example is padding
        chosen = jnp.resize(jax.random.permutation(key, num_examples), (number,))
    return bits.pack(jax.vmap(lambda i: _example(examples, i, num_units))(chosen))


def _example(examples: Key, index: Array, num_units: int) -> Bool[Array, " inputs"]:
    """One example of the training set that a key stands for."""
    key = jax.random.fold_in(examples, index)
    words = jax.random.bits(key, (bits.num_words(num_units),), jnp.uint32)
    places = jnp.arange(bits.WORD, dtype=jnp.uint32)
    return ((words[:, None] >> places[None]) & 1).reshape(-1)[:num_units] > 0


def draw_batches(
    examples: Array,
    keys: Array,
    *,
    num_units: int,
    num_words: int,
    num_examples: int,
    replacement: bool,
) -> Patterns:
    """A mini-batch for every replica.

    Args:
      examples: the key of each replica's training set.
      keys: of each replica, draws its mini-batch.
      num_units: of a pattern.
      num_words: of a mini-batch.
      num_examples: size of the training set; 0: all patterns are fresh.
      replacement: whether an example may come twice in a mini-batch.
    """
    if not num_examples:
        return jax.vmap(lambda key: fresh_patterns(num_units, num_words, key=key))(keys)

    def draw(examples: Key, key: Key) -> Array:
        return drawn_patterns(
            examples,
            num_examples,
            num_units,
            num_words,
            replacement=replacement,
            key=key,
        )

    return jax.vmap(draw)(examples, keys)
