"""LAP's networks: their sizes against the layer lists, their blocks, their starts."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import models, train, trees

KEY = jax.random.key(0)


def _template(name, shape, num_classes, **options):
    network = models.create(name, num_classes=num_classes, **options)
    images = jnp.zeros((2, *shape))
    params, state = jax.eval_shape(network.init, KEY, images)
    passages = jax.eval_shape(network.flow, params, state, images)[2]
    return trees.count(params), [p.residue.shape[1:] for p in passages]


def _resnet110():
    """Convolutions, scales and biases, counted by hand."""
    convs = 27 * 16 + sum(2 * 18 * 9 * c * c for c in (16, 32, 64))
    downs = 16 * 32 + 32 * 64
    norms = 2 * 16 + sum(2 * 18 * 2 * c for c in (16, 32, 64)) - 2 * 16
    return convs + downs + norms + 64 * 10 + 10


def _one_rep(width, channels, side, batch_norm):
    half = width // 2
    encoder = (9 * channels + 1) * half + (25 * half + 1) * width
    blocks = 18 * 9 * width * width
    blocks += (17 * 2 * width) if batch_norm else 18 * width
    head = (side * side * width + 1) * 100 + 101 * 10
    return encoder + blocks + head + (200 if batch_norm else 0)


def test_resnet110_has_54_blocks_in_three_stages():
    size, shapes = _template("resnet110", (32, 32, 3), 10)
    assert size == _resnet110() == 1_753_530
    stages = [(32, 32, 16), (16, 16, 32), (8, 8, 64)]
    assert shapes == [shape for shape in stages for _ in range(18)]


def test_resnext50_is_the_published_one_but_for_its_stem():
    size, shapes = _template("resnext50", (32, 32, 3), 100)
    published, head = 25_028_904, 2048 * 1000 + 1000
    stem = 7 * 7 * 3 * 64 + 2 * 64
    ours = 27 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64
    assert size == published - head - stem + ours + 2048 * 100 + 100 == 23_194_756
    assert [shapes.count((s, s, c)) for s, c in _RESNEXT] == [3, 4, 6, 3]


_RESNEXT = ((32, 256), (16, 512), (8, 1024), (4, 2048))


@pytest.mark.parametrize(
    ("shape", "width", "batch_norm", "size"),
    [
        ((28, 28, 1), 32, True, 808_478),
        ((32, 32, 3), 100, True, 4_311_210),
        ((32, 32, 3), 100, False, 4_309_410),
    ],
)
def test_one_rep_keeps_one_resolution(shape, width, batch_norm, size):
    found, shapes = _template("one_rep", shape, 10, width=width, batch_norm=batch_norm)
    side = shape[0] // 2
    assert found == _one_rep(width, shape[2], side, batch_norm) == size
    assert shapes == 9 * [(side, side, width)]


def test_one_rep_begins_near_the_identity_and_every_convolution_counts():
    network = models.create(
        "one_rep", num_classes=3, num_blocks=2, width=4, batch_norm=False
    )
    images = jax.random.normal(KEY, (2, 8, 8, 1))
    params, state = network.init(KEY, images)
    _, _, passages = network.flow(params, state, images)
    for passage in passages:
        assert jnp.abs(passage.residue).max() < 0.01 * jnp.abs(passage.start).max()
    for block, layer in ((0, 0), (0, 1), (1, 0), (1, 1)):
        gradient = jax.grad(lambda p: network.apply(p, state, 100 * images)[0].sum())(
            params
        )
        assert jnp.abs(gradient[f"block_{block}"][f"conv_{layer}"]["kernel"]).max() > 0


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_scan_over_stacked_blocks_is_the_unrolled_flow(batch_norm):
    options = {"num_classes": 3, "num_blocks": 3, "width": 2, "batch_norm": batch_norm}
    unrolled, scanned = (
        models.create("one_rep", **options, step=0.5, stacked=stacked)
        for stacked in (False, True)
    )
    images = jax.random.normal(KEY, (4, 8, 8, 1))
    params, state = unrolled.init(KEY, images)
    stacked, moving = _stacked(params), jax.tree.map(lambda x: x, state)
    if batch_norm:
        moving = {"batch_stats": _stacked(state["batch_stats"])}
    shapes = jax.eval_shape(scanned.init, KEY, images)
    assert trees.leaf_names(shapes) == trees.leaf_names((stacked, moving))

    def loss(params, state, network):
        logits, state, passages = network.flow(params, state, images, train=True)
        cost = sum((p.residue**2).sum() for p in passages)
        return logits[:, 0].sum() + 1e4 * cost, (state, passages)

    (value, (after, passages)), gradient = jax.value_and_grad(loss, has_aux=True)(
        params, state, unrolled
    )
    (value_2, (after_2, passages_2)), gradient_2 = jax.jit(
        jax.value_and_grad(loss, has_aux=True), static_argnums=2
    )(stacked, moving, scanned)
    np.testing.assert_allclose(value, value_2, rtol=1e-5)
    _close(_stacked(gradient), gradient_2)
    _close(list(passages), list(passages_2))
    if batch_norm:
        _close(_stacked(after["batch_stats"]), after_2["batch_stats"])


def _stacked(tree):
    """The variables of an unrolled network of three blocks, as a scan has them."""
    alike = [tree[f"block_{block}"] for block in (1, 2)]
    kept = {k: v for k, v in tree.items() if k not in ("block_1", "block_2")}
    return {**kept, "blocks": {"block": jax.tree.map(lambda *x: jnp.stack(x), *alike)}}


def _close(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_the_step_multiplies_the_residue_and_is_not_in_it():
    options = {"num_classes": 3, "num_blocks": 1, "width": 2}
    images = jax.random.normal(KEY, (2, 8, 8, 1))
    params, state = models.create("one_rep", **options).init(KEY, images)
    (whole,), (tenth,) = (
        models.create("one_rep", **options, step=step).flow(params, state, images)[2]
        for step in (1.0, 0.1)
    )
    np.testing.assert_array_equal(whole.residue, tenth.residue)
    assert tenth.step == 0.1


def test_resnext_tells_the_displacement_behind_its_relu():
    network = models.create("resnext50", num_classes=3, width=2, groups=2)
    images = jax.random.normal(KEY, (2, 8, 8, 3))

    def flow(key):
        return network.flow(*network.init(key, images), images)[2]

    passages = train.jit_once(flow)(KEY)
    for passage, following in itertools.pairwise(passages):
        end = passage.start + passage.residue
        assert end.min() >= -1e-6
        if following.start.shape == end.shape:
            np.testing.assert_allclose(following.start, end, atol=1e-6)


def test_the_toys_head_is_no_parameter():
    network = models.create("point_resnet", num_classes=2, num_blocks=1)
    points = jnp.array([[-10.0, -9.0], [-10.0, -11.0]]).reshape(2, 1, 1, 2)
    params, state = network.init(KEY, points)
    still = jax.tree.map(jnp.zeros_like, params)
    logits, _ = network.apply(still, state, points)
    np.testing.assert_allclose(logits, [[1, 0], [-1, 0]])
    with pytest.raises(ValueError, match="allowed is 2: the head is frozen"):
        models.create("point_resnet", num_classes=3)
