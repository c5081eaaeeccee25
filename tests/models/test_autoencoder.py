"""The auto-encoder, and the network that takes its encoder, frozen."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, trees

KEY = jax.random.key(0)
OPTIONS = {"num_classes": 3, "num_blocks": 1, "width": 2, "batch_norm": False}


def _autoencoder(width):
    return models.from_linen(models.AutoEncoder(width=width), convolutional=True)


def test_a_frozen_encoder_is_no_parameter_and_that_of_an_autoencoder_fits():
    network = models.create("one_rep", num_classes=10, encoder="autoencoder")
    learned = models.create("one_rep", num_classes=10)
    images = jnp.zeros((2, 28, 28, 1))
    params, state = jax.eval_shape(network.init, KEY, images)
    whole, _ = jax.eval_shape(learned.init, KEY, images)
    trained, _ = jax.eval_shape(_autoencoder(32).init, KEY, images)
    assert trained["encoder"] == state["frozen"]["encoder"]
    encoder = (9 + 1) * 16 + (25 * 16 + 1) * 32
    assert trees.count(whole) - trees.count(params) == encoder
    assert trees.count(trained["encoder"]) == encoder
    assert network.flow is not None
    flow = functools.partial(network.flow, train=True)
    _, state, passages = jax.eval_shape(flow, params, state, images)
    assert state["frozen"]["encoder"] == trained["encoder"]
    assert len(passages) == 9


def test_with_the_same_weights_a_frozen_encoder_is_the_learned_one():
    learned, frozen = (
        models.create("one_rep", **OPTIONS, encoder=encoder)
        for encoder in ("learned", "autoencoder")
    )
    images = jax.random.normal(KEY, (2, 4, 4, 1))
    params, state = learned.init(KEY, images)
    names = ("encoder_0", "encoder_1")
    encoder = {name: params[name] for name in names}
    rest = {name: leaf for name, leaf in params.items() if name not in names}
    expected, _ = learned.apply(params, state, images)
    logits, _ = frozen.apply(rest, {"frozen": {"encoder": encoder}}, images)
    np.testing.assert_allclose(logits, expected, rtol=1e-6)


@pytest.mark.parametrize("side", [7, 8])
def test_reconstructs_images_of_any_side(side):
    images = jnp.zeros((2, side, side, 3))
    network = _autoencoder(4)
    params, state = jax.eval_shape(network.init, KEY, images)
    outputs, _ = jax.eval_shape(network.apply, params, state, images)
    assert outputs.shape == images.shape


def test_refuses_another_encoder():
    with pytest.raises(ValueError, match="encoder='pca'; allowed are learned, auto"):
        models.create("one_rep", num_classes=3, encoder="pca")
