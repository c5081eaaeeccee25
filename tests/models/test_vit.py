"""ViT: its size, its options, what it refuses. Its numbers: test_pretrained_vit.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, train, trees

SIZES = {"patch": 4, "hidden": 12, "depth": 2, "heads": 3, "mlp_hidden": 20}
_IMAGES = jax.random.normal(jax.random.key(0), (5, 8, 12, 3))


def _small(**options):
    """A small ViT and parameters of it, the same whatever the options; no zeros."""
    network = models.create("vit", num_classes=4, **SIZES | {"depth": 1}, **options)
    params, state = jax.eval_shape(network.init, jax.random.key(0), _IMAGES)
    assert state == {}
    generator = np.random.default_rng(0)

    def draw(leaf):
        return 0.3 * generator.standard_normal(leaf.shape, np.float32)

    return network, jax.tree.map(draw, params)


@functools.cache
def _loss_and_gradient(**options):
    network, params = _small(**options)
    batch = {"inputs": _IMAGES, "labels": jnp.arange(5) % 4}
    objective = train.cross_entropy(network)

    def loss(params):
        return objective(params, {}, batch, jax.random.key(0))[0]

    return train.jit_once(jax.value_and_grad(loss))(params)


def test_has_as_many_parameters_as_the_paper():
    network = models.create("vit", num_classes=10)
    shape = jnp.zeros((1, 224, 224, 3))
    params, _ = jax.eval_shape(network.init, jax.random.key(0), shape)
    assert trees.count(params) == 85_806_346
    assert params["positions"].shape == (1, 197, 768)


def test_begins_as_torchvisions():
    network = models.create("vit", num_classes=4, **SIZES | {"hidden": 96, "depth": 1})
    params = train.jit_once(network.init)(jax.random.key(0), _IMAGES)[0]
    block = params["block_0"]
    assert not np.any(params["head"]["kernel"]) and not np.any(params["token"])
    assert np.std(params["positions"]) == pytest.approx(0.02, rel=0.1)
    assert np.std(params["patches"]["kernel"]) == pytest.approx(48**-0.5, rel=0.1)
    for layer, bound in (
        (block["attention"]["query"], (6 / (4 * 96)) ** 0.5),
        (block["attention"]["out"], 96**-0.5),
        (block["dense_0"], (6 / (96 + 20)) ** 0.5),
    ):
        largest = np.abs(layer["kernel"]).max()
        assert 0.97 * bound < largest <= bound


def test_remat_leaves_values_and_gradients_the_same():
    expected, found = _loss_and_gradient(), _loss_and_gradient(remat=True)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        found,
        expected,
    )
    for remat in (False, True):
        network, params = _small(remat=remat)
        jaxpr = jax.make_jaxpr(network.apply)(params, {}, _IMAGES)
        names = {equation.primitive.name for equation in jaxpr.eqns}
        assert bool(names & {"remat2", "checkpoint"}) == remat


def test_bfloat16_is_close_and_leaves_float32_outside():
    exact, exact_gradient = _loss_and_gradient()
    loss, gradient = _loss_and_gradient(dtype="bfloat16")
    assert {x.dtype for x in jax.tree.leaves(gradient)} == {np.dtype("float32")}
    assert 0 < abs(loss - exact) < 0.02 * exact
    kernel, expected = (g["head"]["kernel"] for g in (gradient, exact_gradient))
    np.testing.assert_allclose(kernel, expected, atol=0.05 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth=0; allowed is at least 1"),
        ({"heads": 5}, "heads=5; allowed are divisors of hidden=12"),
        ({"dtype": "float16"}, "dtype='float16'; allowed are 'float32' and 'bfloat16'"),
    ],
)
def test_refuses_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("vit", num_classes=4, **SIZES | options)


def test_refuses_images_that_patches_do_not_divide():
    network = models.create("vit", num_classes=4, **SIZES)
    with pytest.raises(
        ValueError, match=r"8 x 10 pixels; allowed are multiples of .* 4"
    ):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 8, 10, 3)))
