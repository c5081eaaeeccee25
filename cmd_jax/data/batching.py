"""Mini-batches as indices: a seeded permutation for each epoch, cut into slices.

The last `num_examples % batch_size` indices of an epoch's permutation are dropped, so
that every batch has the same shape; another permutation drops others the next epoch.
"""

import jax
from jaxtyping import Int

from cmd_jax.rng import stream
from cmd_jax.types import Array, Key


def batches_per_epoch(num_examples: int, batch_size: int) -> int:
    """Number of full batches in an epoch; the remainder is dropped.

    Args:
      num_examples: size of the training set.
      batch_size: examples in a batch.

    Returns:
      How many steps make an epoch, at least 1.

    Raises:
      ValueError: `batch_size` is smaller than 1 or exceeds `num_examples`.

    Example:
      >>> from cmd_jax.data import batches_per_epoch
      >>> batches_per_epoch(50_000, 128)
      390
    """
    if not 1 <= batch_size <= num_examples:
        raise ValueError(
            f"batch_size={batch_size}; allowed is 1 to {num_examples}, "
            "the number of training examples"
        )
    return num_examples // batch_size


def epoch_permutation(
    key: Key, epoch: int | Int[Array, ""], num_examples: int
) -> Int[Array, " examples"]:
    """The order in which an epoch visits the training set.

    Args:
      key: the root key of a run; the stream `"shuffle"` of it is used.
      epoch: which epoch, from 0; it may be traced.
      num_examples: size of the training set.

    Returns:
      A permutation of 0 ... num_examples - 1, fixed by (key, epoch).

    Example:
      >>> import jax
      >>> from cmd_jax.data import epoch_permutation
      >>> sorted(epoch_permutation(jax.random.key(0), 3, 5).tolist())
      [0, 1, 2, 3, 4]
    """
    return jax.random.permutation(stream(key, "shuffle", epoch), num_examples)


def batch_indices(
    permutation: Int[Array, " examples"],
    batch: int | Int[Array, ""],
    *,
    batch_size: int,
) -> Int[Array, " batch"]:
    """The examples of one batch of an epoch.

    Args:
      permutation: of this epoch, from `epoch_permutation`.
      batch: which batch, in 0 ... batches_per_epoch - 1; it may be traced.
      batch_size: examples in a batch.

    Returns:
      Indices into the training set.

    Raises:
      ValueError: `batch_size` is smaller than 1 or exceeds the number of examples.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.data import batch_indices
      >>> batch_indices(jnp.array([4, 2, 0, 1, 3]), 1, batch_size=2).tolist()
      [0, 1]
    """
    batches_per_epoch(len(permutation), batch_size)
    return jax.lax.dynamic_slice_in_dim(permutation, batch * batch_size, batch_size)
