"""Objectives against closed forms."""

import jax
import numpy as np

from cmd_jax import models, train


def test_a_linear_autoencoder_reaches_the_error_of_principal_components(linear):
    images = linear.dataset.train.inputs.reshape(26, -1) / 255
    values = np.linalg.eigvalsh(images.T @ images / len(images))
    optimum = values[:2].sum() / 4  # what two of four directions leave, a feature

    def init(key, inputs):
        return {"kernel": jax.random.normal(key, (4, 2)) / 2}, {}

    def apply(params, state, inputs, *, train=False, key=None):
        kernel = params["kernel"]
        code = inputs.reshape(inputs.shape[0], -1) @ kernel
        return (code @ kernel.T).reshape(inputs.shape), state

    network = models.Network(init, apply, convolutional=False)
    key = jax.random.key(0)
    inputs = linear.preprocess(linear.dataset.train.inputs[:1])
    states = (train.initial_state(network, linear.optimizer, inputs, key=key),)
    objective = train.reconstruction_error(network)
    chunk = linear.chunk([key], objective=objective, batch_size=26)
    losses = []
    for _ in range(200):
        states, (metrics,) = chunk(states, 1)
        losses.append(metrics["loss"][0])
    assert losses[0] > 2 * optimum
    np.testing.assert_allclose(losses[-1], optimum, rtol=1e-3)
