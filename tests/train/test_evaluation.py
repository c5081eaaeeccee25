"""Evaluation against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import data, models, train


@pytest.mark.parametrize("dispatch", ["scan", "step"])
@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
def test_every_example_counts_once(linear, keys, dispatch, batch_size):
    (state,) = linear.states(keys[:1])
    test = linear.dataset.test
    evaluate = train.make_evaluate(
        linear.network,
        test,
        preprocess=linear.preprocess,
        batch_size=batch_size,
        dispatch=dispatch,
    )
    found = jax.device_get(evaluate(state.params, state.state))
    inputs = test.inputs.reshape(11, -1) / 255
    logits = inputs @ np.asarray(state.params["kernel"], np.float64)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    loss = (log_sum - logits[np.arange(11), test.labels]).mean()
    accuracy = (logits.argmax(axis=1) == test.labels).mean()
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-6)


@pytest.mark.parametrize("dispatch", ["scan", "step"])
def test_every_token_of_a_text_counts_once(dispatch):
    text = data.synthetic_text(num_classes=3, context=4, num_test=7)
    table = np.random.default_rng(0).normal(size=(3, 3))
    network = models.Network(
        lambda key, inputs: ({}, {}),
        lambda params, state, inputs, **options: (params[inputs], state),
        convolutional=False,
    )
    found = train.make_evaluate(
        network,
        text.test,
        preprocess=data.augmenter(text),
        batch_size=3,
        dispatch=dispatch,
    )(jnp.asarray(table, jnp.float32), {})
    logits, labels = table[text.test.inputs], text.test.labels
    right = np.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
    loss = (np.log(np.exp(logits).sum(axis=-1)) - right).mean()
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-5)
    accuracy = (logits.argmax(axis=-1) == labels).mean()
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-6)
