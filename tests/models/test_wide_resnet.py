"""WideResNet against the same network in NumPy, its dropout and its statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, train, trees
from tests.models import oracles
from tests.models.oracles import conv, norm, relu

SMALL = {"depth": 10, "width": 1}


def test_has_as_many_parameters_as_the_paper() -> None:
    network = models.create("wide_resnet", num_classes=10)
    params, state = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert trees.count(params) == 36_489_290
    assert set(state) == {"batch_stats"}
    assert params["block_11"]["conv_1"]["kernel"].shape == (3, 3, 640, 640)
    shortcuts = {name for name in params if "shortcut" in name}
    assert shortcuts == {"shortcut_0", "shortcut_1", "shortcut_2"}


def test_forward_equals_numpy() -> None:
    oracles.check_forward(
        oracles.drawn("wide_resnet", dropout=0.0, **SMALL), _wide_resnet
    )


def _wide_resnet(layers: dict, x: np.ndarray) -> np.ndarray:
    x = conv(layers["conv"], x)
    for stage in range(3):
        block, stride = layers[f"block_{stage}"], 2 if stage else 1
        y = conv(block["conv_0"], relu(norm(block["norm_0"], x)))
        y = conv(block["conv_1"], relu(norm(block["norm_1"], y)), stride)
        x = y + (conv(layers[f"shortcut_{stage}"], x, stride) if stage else x)
    return oracles.head(layers["dense"], relu(norm(layers["norm"], x)))


def test_weights_begin_as_in_pytorch() -> None:
    oracles.check_fan_in_uniform(oracles.initial("wide_resnet", **SMALL))


def test_the_last_norm_keeps_a_tenth_of_its_statistics() -> None:
    def kept(path: str) -> float:
        return 0.1 if path.startswith("batch_stats/norm/") else 0.9

    oracles.check_kept_statistics(oracles.drawn("wide_resnet", **SMALL), kept)


def test_batch_statistics_leave_no_state() -> None:
    assert oracles.drawn("wide_resnet", statistics="batch", **SMALL).state == {}


def test_dropout_acts_in_training_only() -> None:
    network, params, state, images = oracles.drawn("wide_resnet", **SMALL)
    tested = jax.make_jaxpr(network.apply)(params, state, images)
    assert "random" not in str(tested)

    @train.jit_once
    def trained(key: jax.Array) -> jax.Array:
        return network.apply(params, state, images, train=True, key=key)[0]

    first, same, other = (
        jax.device_get(trained(jax.random.key(seed))) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 12}, "depth=12; allowed are 10, 16, 22, 28"),
        ({"depth": 4}, "depth=4; allowed are 10, 16, 22, 28"),
        ({"width": 0}, "width=0; allowed is at least 1"),
        ({"dropout": 1.0}, "dropout=1.0; allowed is 0 to 1, without 1"),
        ({"statistics": "none"}, "statistics='none'; allowed are 'batch' and"),
    ],
)
def test_refuses_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.create("wide_resnet", num_classes=10, **options)
