"""Layers in float64 NumPy, and how a network is held against one made of them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from cmd_jax import models, train

Oracle = Callable[[dict, np.ndarray], np.ndarray]


class Drawn(NamedTuple):
    """A network of three classes with images, and variables that NumPy has drawn.

    To compile its own initialisation takes longer than all else.
    """

    network: models.Network
    params: dict
    state: dict
    images: jax.Array


def drawn(name: str, **options: Any) -> Drawn:
    """The network `name`: kernels keep the scale of the data, all else is about one."""
    draws = np.random.default_rng(0)
    images = jnp.asarray(draws.normal(size=(4, 16, 8, 3)), jnp.float32)
    network = models.create(name, num_classes=3, **options)
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        values = draws.uniform(0.5, 1.5, leaf.shape)
        if len(leaf.shape) > 1:
            values = draws.normal(size=leaf.shape) / np.prod(leaf.shape[:-1]) ** 0.5
        return values.astype(np.float32)

    params, state = jax.tree.map(draw, shapes)
    return Drawn(network, params, state, images)


def initial(name: str, **options: Any) -> dict:
    """The parameters that a network of three classes begins with."""
    network = models.create(name, num_classes=3, **options)
    images = np.zeros((1, 8, 8, 3), np.float32)
    params, _ = train.jit_once(network.init)(jax.random.key(0), images)
    return jax.device_get(params)


def check_forward(drawn: Drawn, oracle: Oracle) -> None:
    """In and outside training a network is `oracle(layers, images)`.

    Args:
      drawn: a network without dropout.
      oracle: takes float64 layers, with their running statistics outside training.
    """
    network, params, state, images = drawn
    for training, layers in (
        (True, _float64(params)),
        (False, _float64(params, state["batch_stats"])),
    ):
        apply = train.jit_once(functools.partial(network.apply, train=training))
        found, _ = apply(params, state, images)
        expected = oracle(layers, np.asarray(images, np.float64))
        assert np.abs(expected - expected.mean(0)).max() > 0.01
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def _float64(*trees: dict) -> dict:
    """One tree of layers, of those of parameters and of running statistics."""
    flat = [traverse_util.flatten_dict(tree) for tree in trees]
    leaves = {path: leaf for tree in flat for path, leaf in tree.items()}
    return traverse_util.unflatten_dict(
        {path: np.asarray(leaf, np.float64) for path, leaf in leaves.items()}
    )


def conv(layer: dict, x: np.ndarray, stride: int = 1) -> np.ndarray:
    """A convolution padded alike on all sides, with its bias if it has one."""
    size = len(layer["kernel"])
    windows = _windows(x, size, 0.0)[:, ::stride, ::stride]
    maps = np.einsum("bhwcij,ijcd->bhwd", windows, layer["kernel"])
    return maps + layer.get("bias", 0)


def norm(layer: dict, x: np.ndarray) -> np.ndarray:
    """BatchNorm, with the layer's running statistics, the batch's if it has none."""
    mean = layer.get("mean", x.mean((0, 1, 2)))
    var = layer.get("var", x.var((0, 1, 2)))
    return (x - mean) / np.sqrt(var + 1e-5) * layer["scale"] + layer["bias"]


def relu(x: np.ndarray) -> np.ndarray:
    """The positive part."""
    return np.maximum(x, 0)


def max_pool(x: np.ndarray, stride: int) -> np.ndarray:
    """The maximum of each 3 x 3 window, padded by one."""
    return _windows(x, 3, -np.inf)[:, ::stride, ::stride].max((-1, -2))


def head(layer: dict, x: np.ndarray) -> np.ndarray:
    """The mean over the image and a dense layer."""
    return x.mean((1, 2)) @ layer["kernel"] + layer["bias"]


def _windows(x: np.ndarray, size: int, padding: float) -> np.ndarray:
    ends = (size // 2, size // 2)
    padded = np.pad(x, ((0, 0), ends, ends, (0, 0)), constant_values=padding)
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))


def check_fan_in_uniform(params: dict) -> None:
    """Kernels, and biases beside them, fill U(+-1/sqrt(fan_in))."""
    layers = traverse_util.flatten_dict(params)
    for path, kernel in layers.items():
        if path[-1] == "kernel":
            bound = np.prod(kernel.shape[:-1]) ** -0.5
            assert 0.8 * bound < np.abs(kernel).max() <= bound, path
            bias = layers.get((*path[:-1], "bias"))
            if bias is not None:
                assert 0 < np.abs(bias).min() <= np.abs(bias).max() <= bound, path


def check_kept_statistics(drawn: Drawn, kept: Callable[[str], float]) -> None:
    """A training step keeps the share `kept(path)` of each running statistic."""
    network, params, state, images = drawn

    @train.jit_once
    def step(state: dict) -> dict:
        key = jax.random.key(0)
        return network.apply(params, state, images, train=True, key=key)[1]

    higher = jax.tree.map(lambda x: x + np.float32(1), state)
    one, other = (jax.device_get(step(before)) for before in (state, higher))
    shares = jax.tree.map(lambda x, y: y - x, one, other)  # of numbers much larger
    for path, share in traverse_util.flatten_dict(shares, sep="/").items():
        np.testing.assert_allclose(share, kept(path), rtol=0.02, err_msg=path)
