"""Measures of a flow against NumPy in float64, and on flows that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cmd_jax import models
from cmd_jax.data import Examples
from cmd_jax.least_action import make_measure


def _examples(batch):
    return Examples(*(np.asarray(batch[name]) for name in ("inputs", "labels")))


def _measure(network, batch, **options):
    return make_measure(
        network, _examples(batch), preprocess=jnp.asarray, batch_size=5, **options
    )


def test_are_those_of_numpy_whatever_the_batches(flow, euler):
    network, params, state, batch = flow
    found = _measure(network, batch)(params, state)
    steps = euler(params, batch["inputs"])
    norms = np.array([np.linalg.norm(v, axis=1) for _, v in steps])
    starts = np.array([np.linalg.norm(x, axis=1) for x, _ in steps])
    whole = np.linalg.norm(0.5 * sum(v for _, v in steps), axis=1)
    expected = {
        "energy": (norms**2).mean(axis=1),
        "forcing": norms.mean(axis=1),
        "relative": (norms / starts).mean(axis=1),
        "path_length": [0.5 * norms.sum(axis=0).mean()],
        "displacement": [whole.mean()],
        "geodesic_index": [
            0.25 * 4 * (norms**2).mean(axis=1).sum() / (whole**2).mean()
        ],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-5)
    np.testing.assert_allclose(found.kinetic_energy, sum(expected["energy"]), rtol=1e-5)
    assert found.geodesic_index[0] >= 1


def test_the_alignment_is_that_of_finite_differences(euler):
    head_far = models.create("point_resnet", num_classes=2, num_blocks=1, hidden=3)
    points = jnp.asarray(np.random.default_rng(2).normal(-10, 1, (7, 1, 1, 2)))
    batch = {"inputs": points, "labels": jnp.array([0, 1, 0, 1, 1, 0, 0])}
    params, state = head_far.init(jax.random.key(3), points)
    found = _measure(head_far, batch)(params, state)
    ((x, v),) = euler(params, points)

    def losses(x):
        ((_, v),) = euler(params, x)
        margin = (x + v).sum(axis=1) + 20
        signs = np.where(np.asarray(batch["labels"]) == 0, 1, -1)
        return np.logaddexp(0, -signs * margin)

    shifts = 1e-5 * np.eye(2)
    gradient = np.stack([losses(x + s) - losses(x - s) for s in shifts], axis=1) / 2e-5
    norms = np.linalg.norm(v, axis=1) * np.linalg.norm(gradient, axis=1)
    assert norms.min() > 1e-8
    cosines = -(v * gradient).sum(axis=1) / norms
    np.testing.assert_allclose(found.alignment, [cosines.mean()], rtol=1e-3)


def _straight(params, state, inputs, *, shifts=None, **_):
    """A flow whose every block moves all points alike, at a speed of its own."""
    x, passages = inputs.reshape(len(inputs), -1), []
    for block, speed in enumerate(params):
        x = x if shifts is None else x + shifts[f"block_{block}"]
        v = speed * jnp.ones_like(x)
        passages.append(models.Passage(x, v, 1.0))
        x = x + v
    return x, state, tuple(passages)


@pytest.mark.parametrize(
    ("speeds", "index"),
    [((1.0, 1.0, 1.0), 1.0), ((3.0, 0.0, 0.0), 3.0), ((2.0, -1.0, 2.0), 3.0)],
)
def test_the_geodesic_index_is_one_on_a_straight_path_at_constant_speed(
    flow, speeds, index
):
    network = models.Network(None, _straight, False, flow=_straight)
    found = _measure(network, flow[3])(jnp.array(speeds), {})
    np.testing.assert_allclose(found.geodesic_index, [index], rtol=1e-6)


class _TwoStages(nn.Module):
    """Two blocks of the plane, then two in three dimensions, the first projected."""

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(len(x), -1)
        for block, width in enumerate((2, 2, 3, 3)):
            v = nn.Dense(width, name=f"residue_{block}")
            if x.shape[1] == width:
                x = models.enter(self, block, x)
                x = models.advance(self, x, v(x))
            else:
                projected = nn.Dense(width, name=f"shortcut_{block}")(x)
                x = models.advance(self, projected, v(x))
        return x


def test_of_stages_and_blocks_with_a_projection(flow):
    network = models.from_linen(_TwoStages(), convolutional=False)
    params, state = network.init(jax.random.key(0), flow[3]["inputs"])
    found = _measure(network, flow[3])(params, state)
    assert (found.energy > 0).all()
    assert found.path_length.shape == found.geodesic_index.shape == (2,)
    assert np.flatnonzero(np.isnan(found.alignment)).tolist() == [2]
    passages = network.flow(params, state, flow[3]["inputs"])[2]
    moves = passages[2].residue + passages[3].residue
    displacement = np.linalg.norm(moves, axis=1).mean()
    np.testing.assert_allclose(found.displacement[1], displacement, rtol=1e-5)


def test_a_network_without_blocks_is_refused():
    network = models.create("mlp", num_classes=2, hidden=(3,))
    batch = {"inputs": jnp.zeros((2, 1, 1, 2)), "labels": jnp.zeros(2, int)}
    params, state = network.init(jax.random.key(0), batch["inputs"])
    with pytest.raises(ValueError, match="no residual block that keeps the dimension"):
        _measure(network, batch)(params, state)
