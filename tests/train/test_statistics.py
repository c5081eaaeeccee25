"""Re-estimated running statistics against NumPy, and what they leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cmd_jax import data, models, train

_IMAGES = data.synthetic(shape=(4, 4, 3), num_classes=3, num_train=26).train.inputs


def _preprocess(images):
    return jnp.asarray(images, jnp.float32) / 64 - 1


def _network():
    """One BatchNorm on the images, written without Flax."""

    def init(key, inputs):
        zeros = jnp.zeros(inputs.shape[-1])
        state = {"mean": zeros, "var": zeros + 1, "count": jnp.zeros((), jnp.int32)}
        return {"scale": jnp.array([1.0, 2.0, 3.0])}, state

    def apply(params, state, inputs, *, train=False, key=None):
        raise AssertionError("re-estimation goes through update_statistics")

    def update_statistics(params, state, inputs, weight, *, key=None):
        x = inputs.reshape(-1, 3) * params["scale"][None]
        new = {"mean": x.mean(0), "var": x.var(0)}
        mixed = {n: (1 - weight) * state[n] + weight * x for n, x in new.items()}
        return {**state, **mixed}

    return models.Network(init, apply, False, update_statistics)


@pytest.mark.parametrize("dispatch", ["scan", "step"])
@pytest.mark.parametrize("batch_size", [1, 8, 13, 100])
def test_is_the_mean_over_the_batches(batch_size, dispatch):
    network = _network()
    params, state = network.init(jax.random.key(0), _preprocess(_IMAGES))
    stale = {**state, "mean": state["mean"] + 1e4}
    reestimate = train.make_reestimate(
        network,
        _IMAGES,
        preprocess=_preprocess,
        batch_size=batch_size,
        dispatch=dispatch,
    )
    found = reestimate(params, stale)
    size = min(batch_size, 26)
    whole = _IMAGES[: 26 // size * size].astype(np.float64) / 64 - 1
    batches = whole.reshape(26 // size, -1, 3) * np.array([1, 2, 3])
    np.testing.assert_allclose(found["mean"], batches.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found["var"], batches.var(1).mean(0), rtol=1e-5)
    assert found["count"] == 0


@pytest.mark.parametrize("dispatch", ["scan", "step"])
def test_compiles_once(dispatch):
    traced = []
    network = _network()

    def counting(*arguments, **options):
        traced.append(arguments)
        return network.update_statistics(*arguments, **options)

    reestimate = train.make_reestimate(
        network._replace(update_statistics=counting),
        _IMAGES,
        preprocess=_preprocess,
        batch_size=5,
        dispatch=dispatch,
    )
    params, state = network.init(jax.random.key(0), _preprocess(_IMAGES))
    first = reestimate(params, state)
    again = reestimate(jax.device_get(params), first)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert len(traced) == 1


def test_a_network_without_running_statistics_is_left_alone():
    def forbidden(*arguments, **options):
        raise AssertionError("there is nothing to re-estimate")

    for update in (None, forbidden):
        reestimate = train.make_reestimate(
            _network()._replace(update_statistics=update),
            _IMAGES,
            preprocess=_preprocess,
            batch_size=5,
            dispatch="scan",
        )
        state = {}
        assert reestimate({}, state) is state


class _Stacked(nn.Module):
    """Two layers, so that the second one's statistics depend on how the first tests."""

    @nn.compact
    def __call__(self, inputs, train=False):
        x = nn.tanh(3 * models.BatchNorm("running")(inputs, train))
        return models.BatchNorm("running")(x, train).mean((1, 2))


def test_over_one_batch_it_makes_testing_equal_training():
    network = models.from_linen(_Stacked(), convolutional=False)
    inputs = _preprocess(_IMAGES)
    params, state = network.init(jax.random.key(0), inputs)
    reestimate = train.make_reestimate(
        network, _IMAGES, preprocess=_preprocess, batch_size=26, dispatch="scan"
    )
    trained, _ = network.apply(params, state, inputs, train=True)
    tested, _ = network.apply(params, reestimate(params, state), inputs)
    stale, _ = network.apply(params, state, inputs)
    np.testing.assert_allclose(tested, trained, rtol=1e-4, atol=1e-5)
    assert np.abs(stale - trained).max() > 0.01
