"""Evaluation against NumPy in float64."""

import jax
import numpy as np
import pytest

from cmd_jax import train


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
