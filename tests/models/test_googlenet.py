"""GoogLeNet against the same network in NumPy, its start and its statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, trees
from tests.models import oracles
from tests.models.oracles import conv, max_pool, norm, relu

SMALL = {"width": 8, "blocks_per_stage": 1}


def test_has_as_many_parameters_as_the_paper() -> None:
    network = models.create("googlenet", num_classes=10)
    params, state = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert trees.count(params) == 6_166_250
    assert set(state) == {"batch_stats"}
    blocks = [name for name in params if name.startswith("block")]
    channels = [params[name]["conv_1x1"]["kernel"].shape[2] for name in blocks]
    assert channels == [192, 256, 480, 512, 512, 512, 528, 832, 832]


def test_forward_equals_numpy() -> None:
    oracles.check_forward(oracles.drawn("googlenet", **SMALL), _googlenet)


def _googlenet(layers: dict, x: np.ndarray) -> np.ndarray:
    x = _layer(layers, "conv", x)
    for stage in range(3):
        x = _inception(layers[f"block_{stage}_0"], max_pool(x, 2) if stage else x)
    return oracles.head(layers["dense"], x)


def _inception(layers: dict, x: np.ndarray) -> np.ndarray:
    paths = (
        ("conv_1x1",),
        ("reduce_3x3", "conv_3x3"),
        ("reduce_5x5", "conv_5x5_0", "conv_5x5_1"),
    )
    branches = [x, x, x, max_pool(x, 1)]
    for branch, path in enumerate((*paths, ("pool",))):
        for name in path:
            branches[branch] = _layer(layers, name, branches[branch])
    return np.concatenate(branches, -1)


def _layer(layers: dict, name: str, x: np.ndarray) -> np.ndarray:
    return relu(norm(layers[f"{name}_norm"], conv(layers[name], x)))


def test_weights_begin_as_in_pytorch() -> None:
    oracles.check_fan_in_uniform(oracles.initial("googlenet", **SMALL))


def test_every_norm_keeps_nine_tenths_of_its_statistics() -> None:
    oracles.check_kept_statistics(oracles.drawn("googlenet", **SMALL), lambda path: 0.9)


def test_batch_statistics_leave_no_state() -> None:
    assert oracles.drawn("googlenet", statistics="batch", **SMALL).state == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 12}, "width=12; allowed are multiples of 8"),
        ({"width": 0}, "width=0; allowed are multiples of 8"),
        ({"blocks_per_stage": 6}, "blocks_per_stage=6; allowed are 1 to 5"),
        ({"statistics": "none"}, "statistics='none'; allowed are 'batch' and"),
    ],
)
def test_refuses_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.create("googlenet", num_classes=10, **options)
