"""A Linen module as pure functions: state, dropout, determinism."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cmd_jax import models


class _Normalized(nn.Module):
    """A module with batch statistics and dropout."""

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool = False) -> jax.Array:
        x = inputs.reshape(inputs.shape[0], -1)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(x)
        return nn.Dropout(0.5, deterministic=not train)(x)


_IMAGES = jax.random.normal(jax.random.key(0), (8, 2, 2, 3)) + 4


def _normalized() -> tuple[models.Network, dict, dict]:
    network = models.from_linen(_Normalized(), convolutional=False)
    return network, *network.init(jax.random.key(0), _IMAGES)


def test_state_holds_what_is_not_a_parameter_and_moves_in_training_only() -> None:
    network, params, state = _normalized()
    assert set(params["BatchNorm_0"]) == {"scale", "bias"}
    _, evaluated = network.apply(params, state, _IMAGES)
    _, trained = network.apply(
        params, state, _IMAGES, train=True, key=jax.random.key(1)
    )
    mean = [s["batch_stats"]["BatchNorm_0"]["mean"] for s in (evaluated, trained)]
    np.testing.assert_array_equal(mean[0], jnp.zeros(12))
    np.testing.assert_allclose(mean[1], _IMAGES.reshape(8, 12).mean(0) / 2, rtol=1e-5)


def test_key_feeds_dropout() -> None:
    network, params, state = _normalized()

    def dropped(seed: int) -> np.ndarray:
        key = jax.random.key(seed)
        logits, _ = network.apply(params, state, _IMAGES, train=True, key=key)
        return np.asarray(logits == 0)

    np.testing.assert_array_equal(dropped(1), dropped(1))
    assert (dropped(1) != dropped(2)).any()


def test_networks_without_state_keep_none_and_are_fixed_by_the_key() -> None:
    network = models.create("mlp", num_classes=3, hidden=(4,))
    params, state = network.init(jax.random.key(3), _IMAGES)
    again, _ = network.init(jax.random.key(3), _IMAGES)
    logits, after = network.apply(params, state, _IMAGES, train=True)
    assert state == after == {}
    assert logits.dtype == jnp.float32
    jax.tree.map(np.testing.assert_array_equal, params, again)


def test_statistics_move_by_the_weight_towards_the_batchs_own() -> None:
    network, params, state = _normalized()
    assert network.update_statistics is not None
    for weight in (1.0, 0.25):
        moved = network.update_statistics(
            params, state, _IMAGES, weight, key=jax.random.key(1)
        )
        found = moved["batch_stats"]["BatchNorm_0"]
        x = np.asarray(_IMAGES, np.float64).reshape(8, 12)
        np.testing.assert_allclose(found["mean"], weight * x.mean(0), rtol=1e-6)
        expected = (1 - weight) + weight * x.var(0)
        np.testing.assert_allclose(found["var"], expected, rtol=1e-5)


def test_frozen_statistics_stay() -> None:
    class Frozen(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, train: bool = False) -> jax.Array:
            return nn.BatchNorm(use_running_average=True)(inputs)

    network = models.from_linen(Frozen(), convolutional=False)
    assert network.update_statistics is not None
    params, state = network.init(jax.random.key(0), _IMAGES)
    moved = network.update_statistics(params, state, _IMAGES, 0.5)
    jax.tree.map(np.testing.assert_array_equal, moved, state)


def test_a_network_without_statistics_has_none_to_move() -> None:
    network = models.create("mlp", num_classes=3)
    assert network.update_statistics is not None
    assert network.update_statistics({}, {}, _IMAGES, 1.0) == {}
