"""LeNet-5 against the same network in SciPy, and the paper's parameter count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from cmd_jax import models, trees


@pytest.fixture(scope="module")
def narrow() -> tuple[models.Network, dict]:
    """LeNet-5 of the classical width and its parameters, in NumPy."""
    network = models.create("lenet5", num_classes=10, width=1)
    init = jax.jit(network.init, compiler_options={"xla_backend_optimization_level": 0})
    params, _ = init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return network, jax.device_get(params)


def test_has_as_many_parameters_as_the_paper() -> None:
    network = models.create("lenet5", num_classes=10)
    params, state = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert trees.count(params) == 548_878
    assert state == {}
    assert params["conv_0"]["kernel"].shape == (5, 5, 3, 18)
    assert params["conv_1"]["kernel"].shape == (5, 5, 18, 48)
    assert params["dense_0"]["kernel"].shape == (1200, 360)
    assert params["dense_1"]["kernel"].shape == (360, 252)


def test_forward_equals_scipy(narrow: tuple[models.Network, dict]) -> None:
    network, params = narrow
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    logits, _ = network.apply(params, {}, jnp.asarray(images))
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float64), params)
    expected = [_lenet(wide, image.astype(np.float64)) for image in images]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def _lenet(params: dict, x: np.ndarray) -> np.ndarray:
    for name in ("conv_0", "conv_1"):
        kernel, bias = params[name]["kernel"], params[name]["bias"]
        maps = [
            correlate(x, kernel[..., out], mode="valid")[..., 0] + bias[out]
            for out in range(len(bias))
        ]
        x = np.tanh(np.stack(maps, axis=-1))
        quarters = [x[i::2, j::2] for i in (0, 1) for j in (0, 1)]
        x = np.max(quarters, axis=0)
    x = x.ravel()
    for name in ("dense_0", "dense_1", "dense_2"):
        x = x @ params[name]["kernel"] + params[name]["bias"]
        x = x if name == "dense_2" else np.tanh(x)
    return x


def test_every_weight_lies_within_its_fan_in_bound(
    narrow: tuple[models.Network, dict],
) -> None:
    for name, layer in narrow[1].items():
        bound = np.prod(layer["kernel"].shape[:-1]) ** -0.5
        for values in layer.values():
            assert np.abs(values).max() <= bound, name
        assert np.abs(layer["kernel"]).max() > 0.95 * bound, name


def test_refuses_small_images_and_no_width() -> None:
    network = models.create("lenet5", num_classes=10)
    with pytest.raises(ValueError, match="images of 8 x 8 are too small"):
        network.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    with pytest.raises(ValueError, match="width=0; allowed is at least 1"):
        models.create("lenet5", num_classes=10, width=0)


def test_smallest_image_passes() -> None:
    network = models.create("lenet5", num_classes=10, width=1)
    images = jnp.zeros((1, 16, 16, 1))
    params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
    assert params["dense_0"]["kernel"].shape == (16, 120)
