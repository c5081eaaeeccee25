"""Networks without a framework, small enough for brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.transfer import Group, Occurrence, PermutationGroups


@pytest.fixture
def mlp_groups():
    """`mlp_groups(widths)`: those of dense layers without biases, `"0"`, `"1"`, ..."""

    def make(widths):
        return PermutationGroups(
            tuple(
                Group(width, (Occurrence(str(n - 1), 1), Occurrence(str(n), 0)))
                for n, width in enumerate(widths[1:-1], start=1)
            )
        )

    return make


@pytest.fixture
def mlp():
    """`mlp(widths, seed)`: kernels drawn at random, by name."""

    def make(widths, seed=0):
        draws = np.random.default_rng(seed)
        shapes = itertools.pairwise(widths)
        return {
            str(n): (draws.normal(size=shape) / shape[0] ** 0.5).astype(np.float32)
            for n, shape in enumerate(shapes)
        }

    return make


@pytest.fixture(scope="session")
def objective():
    """The squared error of an MLP with tanh between its layers."""

    def loss(params, state, batch, key):
        del key
        x = batch["x"]
        for n in range(len(params)):
            x = jnp.tanh(x) if n else x
            x = x @ params[str(n)]
        return ((x - batch["y"]) ** 2).mean(), (state, {})

    return loss


@pytest.fixture
def make_batches():
    """`make_batches(num_steps, widths)`: leaves [num_steps, 2 micro, 16, ...]."""

    def make(num_steps, widths, seed=0):
        draws = np.random.default_rng(seed)
        shape = (num_steps, 2, 16)
        return {
            "x": draws.normal(size=(*shape, widths[0])).astype(np.float32),
            "y": draws.normal(size=(*shape, widths[-1])).astype(np.float32),
        }

    return make


@pytest.fixture
def train(objective):
    """`train(params, batch, steps)`: the records of gradient descent on one batch."""
    gradient = jax.jit(jax.grad(objective, has_aux=True))

    def run(params, batch, steps=5, rate=0.5):
        records = [params]
        for _ in range(steps):
            slope, _ = gradient(records[-1], {}, batch, None)
            records.append(
                jax.tree.map(lambda w, g: np.asarray(w - rate * g), records[-1], slope)
            )
        return records

    return run
