"""The decoder: its size, its causality, its function in NumPy, what it can learn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import erf

from cmd_jax import data, models, train, trees

KEY = jax.random.key(0)
SIZES = {"hidden": 6, "depth": 2, "heads": 3, "context": 7}
TOKENS = np.random.default_rng(0).integers(0, 5, (4, 7)).astype(np.uint8)


@pytest.fixture(scope="module")
def small():
    """A small decoder with parameters that are nowhere zero."""
    network = models.create("decoder", num_classes=5, **SIZES)
    params, state = jax.eval_shape(network.init, KEY, TOKENS)
    assert state == {}
    draws = np.random.default_rng(1)
    params = jax.tree.map(
        lambda leaf: 0.5 * draws.standard_normal(leaf.shape, np.float32), params
    )
    apply = jax.jit(lambda params, tokens: network.apply(params, {}, tokens)[0])
    return params, apply


@pytest.mark.parametrize(
    ("classes", "hidden", "depth", "context"), [(65, 64, 3, 64), (7, 12, 1, 5)]
)
def test_the_number_of_parameters(classes, hidden, depth, context):
    network = models.create(
        "decoder", num_classes=classes, hidden=hidden, depth=depth, context=context
    )
    tokens = jnp.zeros((1, context), jnp.uint8)
    params, _ = jax.eval_shape(network.init, KEY, tokens)
    block = 12 * hidden**2 + 13 * hidden
    outside = (2 * classes + context) * hidden + classes + 2 * hidden
    assert trees.count(params) == outside + depth * block


def test_it_is_what_numpy_computes(small):
    params, apply = small
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    np.testing.assert_allclose(
        apply(params, TOKENS), _in_numpy(exact, TOKENS), rtol=1e-4, atol=1e-5
    )


def _in_numpy(params, tokens):
    x = params["embed"]["embedding"][tokens] + params["positions"]
    for block in (params["block_0"], params["block_1"]):
        x = x + _attention(block["attention"], _norm(block["norm_0"], x))
        y = _dense(block["dense_0"], _norm(block["norm_1"], x))
        x = x + _dense(block["dense_1"], y * (1 + erf(y / np.sqrt(2))) / 2)
    return _dense(params["head"], _norm(params["norm"], x))


def _dense(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def _norm(layer, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    return scaled * layer["scale"] + layer["bias"]


def _attention(layer, x):
    """Head by head and token by token, over the tokens up to each."""
    maps = {
        name: np.einsum("btf,fhd->bhtd", x, layer[name]["kernel"])
        + layer[name]["bias"][None, :, None]
        for name in ("query", "key", "value")
    }
    mixed = np.zeros_like(maps["value"])
    for token in range(x.shape[1]):
        past = maps["key"][:, :, : token + 1]
        scores = np.einsum("bhd,bhsd->bhs", maps["query"][:, :, token], past)
        weights = np.exp(scores / np.sqrt(past.shape[-1]))
        weights /= weights.sum(axis=-1, keepdims=True)
        values = maps["value"][:, :, : token + 1]
        mixed[:, :, token] = np.einsum("bhs,bhsd->bhd", weights, values)
    out = np.einsum("bhtd,hdf->btf", mixed, layer["out"]["kernel"])
    return out + layer["out"]["bias"]


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_token_changes_nothing_before_it(small, place):
    params, apply = small
    changed = TOKENS.copy()
    changed[:, place] = (changed[:, place] + 1) % 5
    before, after = apply(params, TOKENS), apply(params, changed)
    np.testing.assert_array_equal(before[:, :place], after[:, :place])
    differences = np.abs(before - after).max(axis=(0, 2))
    assert (differences[place:] > 1e-4).all()


def test_a_shorter_text_is_read_as_its_beginning(small):
    params, apply = small
    whole, beginning = apply(params, TOKENS), apply(params, TOKENS[:, :4])
    np.testing.assert_allclose(beginning, whole[:, :4], rtol=1e-5, atol=1e-5)


def test_what_is_not_allowed_is_refused():
    with pytest.raises(ValueError, match="heads=4; allowed are divisors of hidden=6"):
        models.create("decoder", num_classes=5, hidden=6, heads=4)
    with pytest.raises(ValueError, match="context=0; allowed is at least 1"):
        models.create("decoder", num_classes=5, context=0)
    network = models.create("decoder", num_classes=5, **SIZES)
    with pytest.raises(ValueError, match="of 8 tokens; allowed are at most context=7"):
        jax.eval_shape(network.init, KEY, jnp.zeros((1, 8), jnp.uint8))


def test_the_loss_comes_down_to_the_entropy_rate():
    classes, noise = 4, 0.3
    text = data.synthetic_text(
        num_classes=classes, noise=noise, context=8, num_train=4096, num_test=4096
    )
    network = models.create(
        "decoder", num_classes=classes, hidden=8, depth=1, heads=2, context=8
    )
    preprocess = data.augmenter(text)
    optimizer = optax.adam(1e-2)
    inputs = preprocess(text.train.inputs[:1])
    state = train.jit_once(
        lambda key: train.initial_state(network, optimizer, inputs, key=key)
    )(KEY)
    chunk = train.make_chunk(
        train.cross_entropy(network),
        optimizer,
        text.train,
        preprocess=lambda tokens, key: preprocess(tokens, train=True, key=key),
        batch_size=32,
        max_steps=128,
        dispatch="scan",
        vectorize=False,
        keys=[KEY],
    )
    for _ in range(3):
        (state,), _ = chunk((state,), 128)
    evaluate = train.make_evaluate(
        network, text.test, preprocess=preprocess, batch_size=1024, dispatch="scan"
    )
    found = jax.device_get(evaluate(state.params, state.state))
    other = noise / classes
    best = 1 - noise + other
    entropy = -best * np.log(best) - (classes - 1) * other * np.log(other)
    # Four deviations of the mean over 32 768 labels, and what is left to learn.
    assert entropy - 0.02 < found["loss"] < entropy + 0.03
    assert found["accuracy"] == pytest.approx(best, abs=0.01)
