"""ResNet18 against the same network in NumPy, and what its options change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, train, trees
from tests.models.oracles import conv, head, max_pool, norm, relu

_IMAGES = jax.random.normal(jax.random.key(0), (16, 16, 16, 3))
_LABELS = jnp.arange(16) % 10


def _narrow(**options: object) -> tuple[models.Network, dict, dict]:
    """A ResNet18 of width 2 and its parameters; the same whatever the options."""
    network = models.create("resnet18", num_classes=10, width=2, **options)
    return network, *train.jit_once(network.init)(jax.random.key(0), _IMAGES)


def _apply(
    network: models.Network, *arguments: object, train_mode: bool = False
) -> tuple:
    def apply(params: dict, state: dict, images: jax.Array) -> tuple:
        return network.apply(params, state, images, train=train_mode)

    return train.jit_once(apply)(*arguments)


def test_has_as_many_parameters_as_the_paper() -> None:
    network = models.create("resnet18", num_classes=10)
    params, state = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
    )
    assert trees.count(params) == 11_173_962
    assert state == {}
    assert params["block_7"]["conv_1"]["kernel"].shape == (3, 3, 512, 512)
    with_shortcut = {name for name, leaf in params.items() if "shortcut" in leaf}
    assert with_shortcut == {"block_2", "block_4", "block_6"}


def test_imagenets_has_as_many_parameters_as_published() -> None:
    network = models.create("resnet18", num_classes=1000, stem="imagenet")
    params, _ = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3))
    )
    assert trees.count(params) == 11_689_512
    assert params["conv"]["kernel"].shape == (7, 7, 3, 64)


@pytest.mark.parametrize("stem", ["small", "imagenet"])
def test_forward_equals_numpy(stem: str) -> None:
    network, params, _ = _narrow(stem=stem)
    logits, _ = _apply(network, params, {}, _IMAGES)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    expected = _resnet(wide, np.asarray(_IMAGES, np.float64), stem)
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def _resnet(params: dict, x: np.ndarray, stem: str) -> np.ndarray:
    large = stem == "imagenet"
    x = relu(norm(params["norm"], conv(params["conv"], x, 2 if large else 1)))
    x = max_pool(x, 2) if large else x
    for index in range(8):
        block = params[f"block_{index}"]
        stride = 2 if index in (2, 4, 6) else 1
        y = relu(norm(block["norm_0"], conv(block["conv_0"], x, stride)))
        y = norm(block["norm_1"], conv(block["conv_1"], y))
        if stride == 2:
            x = norm(block["shortcut_norm"], conv(block["shortcut"], x, stride))
        x = relu(x + y)
    return head(params["dense"], x)


def test_every_kernel_lies_within_its_fan_in_bound() -> None:
    _, params, _ = _narrow()
    for name, leaf in zip(
        trees.leaf_names(params), jax.tree.leaves(params), strict=True
    ):
        if name.endswith("kernel"):
            bound = np.prod(leaf.shape[:-1]) ** -0.5
            assert 0.7 * bound < np.abs(leaf).max() <= bound, name


def test_batch_statistics_depend_on_the_batch_and_running_ones_do_not() -> None:
    for statistics, depends in (("batch", True), ("running", False)):
        network, params, state = _narrow(statistics=statistics)
        whole, _ = _apply(network, params, state, _IMAGES)
        half, _ = _apply(network, params, state, _IMAGES[:8])
        assert (np.abs(whole[:8] - half).max() > 0.01) == depends, statistics


def test_both_statistics_train_alike() -> None:
    (batch, params, none), (running, same, state) = (
        _narrow(statistics=statistics) for statistics in ("batch", "running")
    )
    jax.tree.map(np.testing.assert_array_equal, params, same)
    found, moved = _apply(running, params, state, _IMAGES, train_mode=True)
    expected, still_none = _apply(batch, params, none, _IMAGES, train_mode=True)
    np.testing.assert_array_equal(found, expected)
    assert none == still_none == {}
    assert set(moved) == {"batch_stats"}


def _loss_and_gradient(network: models.Network, params: dict, state: dict) -> tuple:
    batch = {"inputs": _IMAGES, "labels": _LABELS}
    objective = train.cross_entropy(network)

    def loss(params: dict) -> jax.Array:
        return objective(params, state, batch, jax.random.key(0))[0]

    return train.jit_once(jax.value_and_grad(loss))(params)


def test_remat_leaves_values_and_gradients_the_same() -> None:
    expected, found = (
        _loss_and_gradient(*_narrow(statistics="running", remat=remat))
        for remat in (False, True)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        found,
        expected,
    )


def test_remat_marks_every_block() -> None:
    for remat, marks in ((False, 0), (True, 8)):
        network, params, state = _narrow(remat=remat)
        jaxpr = jax.make_jaxpr(network.apply)(params, state, _IMAGES)
        names = [equation.primitive.name for equation in jaxpr.eqns]
        assert len([x for x in names if x in ("remat2", "checkpoint")]) == marks


def test_bfloat16_is_close_and_leaves_float32_outside() -> None:
    network, params, state = _narrow(dtype="bfloat16", statistics="running")
    logits, moved = _apply(network, params, state, _IMAGES, train_mode=True)
    kept = {leaf.dtype for leaf in jax.tree.leaves((params, moved, logits))}
    assert kept == {np.dtype("float32")}
    exact = _narrow(statistics="running")
    expected, _ = _apply(*exact, _IMAGES, train_mode=True)
    assert 0 < np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()
    (loss, gradient), (exact_loss, exact_gradient) = (
        _loss_and_gradient(*variables)
        for variables in ((network, params, state), exact)
    )
    np.testing.assert_allclose(loss, exact_loss, rtol=0.01)
    dense, exact_dense = (g["dense"]["kernel"] for g in (gradient, exact_gradient))
    np.testing.assert_allclose(
        dense, exact_dense, atol=0.05 * np.abs(exact_dense).max()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0; allowed is at least 1"),
        (
            {"statistics": "none"},
            "statistics='none'; allowed are 'batch' and 'running'",
        ),
        ({"dtype": "float16"}, "dtype='float16'; allowed are 'float32' and 'bfloat16'"),
        ({"stem": "large"}, "stem='large'; allowed are 'small' and 'imagenet'"),
    ],
)
def test_refuses_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.create("resnet18", num_classes=10, **options)
