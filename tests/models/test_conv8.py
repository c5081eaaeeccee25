"""Conv8 against the same layers of `lax`, and the paper's parameter counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, trees
from cmd_jax.models import max_pool


@pytest.mark.parametrize(("classes", "size"), [(10, 4_885_066), (100, 4_908_196)])
def test_has_as_many_parameters_as_the_paper(classes: int, size: int) -> None:
    network = models.create("conv8", num_classes=classes)
    images = jnp.zeros((1, 32, 32, 3))
    params, state = jax.eval_shape(network.init, jax.random.key(0), images)
    assert trees.count(params) == size
    assert state == {}


def test_forward_is_pairs_of_convolutions_pooled() -> None:
    network = models.create("conv8", num_classes=3, width=2, init_scale=2.0)
    images = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    params, state = jax.jit(network.init)(jax.random.key(0), images)
    x = images
    for layer in range(8):
        conv = params[f"conv_{layer}"]
        x = jax.lax.conv_general_dilated(
            x,
            conv["kernel"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jnp.maximum(x + conv["bias"].reshape(1, 1, 1, -1), 0)
        if layer % 2:
            x = max_pool(x, size=4 if layer == 7 else 2)
    x = x.reshape(2, -1)
    for layer in range(3):
        dense = params[f"dense_{layer}"]
        x = x @ dense["kernel"] + dense["bias"].reshape(1, -1)
        x = jnp.maximum(x, 0) if layer < 2 else x
    logits, _ = network.apply(params, state, images)
    np.testing.assert_allclose(logits, x, rtol=1e-4, atol=1e-5)
    bound = 2 / np.sqrt(3 * 3 * 3)
    assert 0.8 * bound < abs(params["conv_0"]["kernel"]).max() <= bound


def test_refuses_small_images_and_no_width() -> None:
    network = models.create("conv8", num_classes=3, width=1)
    with pytest.raises(ValueError, match="28 x 28 are too small for Conv8"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    with pytest.raises(ValueError, match="width=0"):
        models.create("conv8", num_classes=3, width=0)
