"""Permutations of an epoch and their slices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.data import batch_indices, batches_per_epoch, epoch_permutation


def test_an_epoch_visits_every_example_once() -> None:
    permutation = epoch_permutation(jax.random.key(0), 0, 50)
    np.testing.assert_array_equal(np.sort(permutation), np.arange(50))


def test_epochs_and_keys_shuffle_differently_and_repeat() -> None:
    first = epoch_permutation(jax.random.key(0), 1, 50)
    np.testing.assert_array_equal(first, epoch_permutation(jax.random.key(0), 1, 50))
    assert (first != epoch_permutation(jax.random.key(0), 2, 50)).any()
    assert (first != epoch_permutation(jax.random.key(1), 1, 50)).any()


def test_a_traced_epoch_gives_the_same_order() -> None:
    key = jax.random.key(0)
    traced = jax.jit(lambda epoch: epoch_permutation(key, epoch, 20))
    np.testing.assert_array_equal(traced(3), epoch_permutation(key, 3, 20))


def test_batches_are_disjoint_and_drop_the_remainder() -> None:
    permutation = epoch_permutation(jax.random.key(0), 0, 23)
    batches = jax.jit(
        jax.vmap(lambda batch: batch_indices(permutation, batch, batch_size=5))
    )(jnp.arange(batches_per_epoch(23, 5)))
    np.testing.assert_array_equal(batches, permutation[:20].reshape(4, 5))


@pytest.mark.parametrize("batch_size", [0, 24])
def test_refuses_batches_larger_than_the_training_set(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"{batch_size}; allowed is 1 to 23"):
        batches_per_epoch(23, batch_size)
    with pytest.raises(ValueError, match="the number of training examples"):
        batch_indices(jnp.arange(23), 0, batch_size=batch_size)
