"""Dropout between the two convolutions of a block, seen through identities."""

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax.models.pre_activation import PreActivationBlock


def test_dropout_drops_its_share_and_scales_the_rest_in_training_only() -> None:
    images = jax.random.uniform(jax.random.key(0), (8, 16, 16, 4), minval=1.0)
    block = PreActivationBlock(None, dropout=0.3)
    identity = jnp.zeros((3, 3, 4, 4)).at[1, 1].set(jnp.eye(4))
    params = {f"conv_{layer}": {"kernel": identity} for layer in range(2)}

    def apply(train: bool) -> np.ndarray:
        rngs = {"dropout": jax.random.key(1)}
        return np.asarray(block.apply({"params": params}, images, train, rngs=rngs))

    np.testing.assert_array_equal(apply(False), images)
    found = apply(True)
    kept = found > 0
    deviation = (0.3 * 0.7 / kept.size) ** 0.5
    assert abs(kept.mean() - 0.7) < 4 * deviation
    np.testing.assert_allclose(found[kept], np.asarray(images)[kept] / 0.7, rtol=1e-6)
