"""PreResNet against the same network in NumPy, its start and its statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from cmd_jax import models, trees
from tests.models import oracles
from tests.models.oracles import conv, norm, relu

SMALL = {"width": 2, "blocks_per_stage": 1}


def test_has_as_many_parameters_as_the_paper() -> None:
    network = models.create("pre_resnet", num_classes=10)
    params, state = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert trees.count(params) == 2_605_466
    assert set(state) == {"batch_stats"}
    assert params["block_80"]["conv_1"]["kernel"].shape == (3, 3, 64, 64)
    shortcuts = {name for name in params if "shortcut" in name}
    assert shortcuts == {"shortcut_1", "shortcut_2"}


def test_forward_equals_numpy() -> None:
    oracles.check_forward(
        oracles.drawn("pre_resnet", width=2, blocks_per_stage=2), _pre_resnet
    )


def _pre_resnet(layers: dict, x: np.ndarray) -> np.ndarray:
    x = conv(layers["conv"], x)
    for index in range(6):
        block, stride = layers[f"block_{index}"], 2 if index in (2, 4) else 1
        y = conv(block["conv_0"], relu(norm(block["norm_0"], x)), stride)
        y = conv(block["conv_1"], relu(norm(block["norm_1"], y)))
        shortcut = layers.get(f"shortcut_{index // 2}")
        x = y + (x if stride == 1 else conv(shortcut, x, stride))
    return oracles.head(layers["dense"], relu(norm(layers["norm"], x)))


def test_kernels_begin_normal_by_their_outputs() -> None:
    params = oracles.initial("pre_resnet", blocks_per_stage=1)
    for path, kernel in traverse_util.flatten_dict(params, sep="/").items():
        if path.endswith("kernel") and kernel.ndim == 4:
            ratios = kernel / (2 / kernel[:, :, 0].size) ** 0.5
            assert abs(ratios.std() - 1) < 4 * (2 * kernel.size) ** -0.5, path
            assert np.abs(ratios).max() > 2.2, path  # not truncated
    oracles.check_fan_in_uniform({"dense": params["dense"]})


def test_every_norm_keeps_nine_tenths_of_its_statistics() -> None:
    oracles.check_kept_statistics(
        oracles.drawn("pre_resnet", **SMALL), lambda path: 0.9
    )


def test_batch_statistics_leave_no_state() -> None:
    assert oracles.drawn("pre_resnet", statistics="batch", **SMALL).state == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0; allowed is at least 1"),
        ({"blocks_per_stage": 0}, "blocks_per_stage=0; allowed is at least 1"),
        ({"statistics": "none"}, "statistics='none'; allowed are 'batch' and"),
    ],
)
def test_refuses_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.create("pre_resnet", num_classes=10, **options)
