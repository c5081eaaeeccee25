"""A linear classifier on synthetic images: the smallest thing that trains."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest


@pytest.fixture
def linear():
    """Network, optimizer, data and preprocess for chunks and evaluations."""
    from cmd_jax import data, models, train

    dataset = data.synthetic(shape=(2, 2, 1), num_classes=3, num_train=26, num_test=11)

    def init(key, inputs):
        size = int(np.prod(inputs.shape[1:]))
        return {"kernel": 0.1 * jax.random.normal(key, (size, 3))}, {}

    def apply(params, state, inputs, *, train=False, key=None):
        return inputs.reshape(inputs.shape[0], -1) @ params["kernel"], state

    def preprocess(images, key=None):
        return jnp.asarray(images, jnp.float32) / 255

    network = models.Network(init, apply, convolutional=False)
    optimizer = optax.sgd(0.5, momentum=0.9)

    def states(keys):
        inputs = preprocess(dataset.train.inputs[:1])
        return tuple(
            train.initial_state(network, optimizer, inputs, key=key) for key in keys
        )

    def chunk(keys, **options):
        defaults = {
            "preprocess": preprocess,
            "batch_size": 5,
            "max_steps": 8,
            "dispatch": "scan",
            "vectorize": True,
        }
        return train.make_chunk(
            options.pop("objective", train.cross_entropy(network)),
            optimizer,
            dataset.train,
            keys=keys,
            **(defaults | options),
        )

    return types.SimpleNamespace(
        dataset=dataset,
        network=network,
        optimizer=optimizer,
        preprocess=preprocess,
        states=states,
        chunk=chunk,
    )


@pytest.fixture
def keys():
    """The keys of two seeds."""
    return [jax.random.key(0), jax.random.key(1)]
