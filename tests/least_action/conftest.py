"""A small flow that every test of least action uses."""

import jax
import numpy as np
import pytest

from cmd_jax import models


@pytest.fixture(scope="session")
def flow():
    """A network of four blocks, h = 0.5, its parameters, and a batch of 12 points."""
    network = models.create(
        "point_resnet", num_classes=2, num_blocks=4, hidden=3, step=0.5
    )
    draws = np.random.default_rng(0)
    batch = {
        "inputs": jax.numpy.asarray(draws.normal(size=(12, 1, 1, 2)), np.float32),
        "labels": jax.numpy.asarray(draws.integers(0, 2, 12), np.int32),
    }
    params, state = network.init(jax.random.key(1), batch["inputs"])
    return network, params, state, batch


@pytest.fixture(scope="session")
def euler():
    """`euler(params, points) -> [(x_k, v_k)]`: the same flow in NumPy, in float64."""

    def run(params, points, step=0.5):
        x, steps = np.asarray(points, np.float64).reshape(len(points), -1), []
        names = ("in_kernels", "in_biases", "out_kernels", "out_biases")
        first, b_0, second, b_1 = (np.asarray(params[name]) for name in names)
        for block in range(len(first)):
            v = np.maximum(x @ first[block] + b_0[block], 0)
            v = v @ second[block] + b_1[block]
            steps.append((x, v))
            x = x + step * v
        return steps

    return run
