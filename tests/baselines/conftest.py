import jax
import numpy as np
import pytest


@pytest.fixture
def make_history():
    """Random walks [records, weights] around `size` times their motion, float32."""

    def make(num_records, size, num_weights=200):
        generator = np.random.default_rng(0)
        shape = (num_records, num_weights)
        walks = generator.standard_normal(shape).cumsum(axis=0)
        return (walks + size * walks.std()).astype(np.float32)

    return make


@pytest.fixture
def follow():
    """The estimates of an estimator after each record of a history."""

    def call(estimator, history):
        def step(state, record):
            state = estimator.update(state, record)
            return state, estimator.params(state)

        def scan(history):
            return jax.lax.scan(step, estimator.init(history[0] + 5), history)[1]

        return jax.jit(scan)(history)

    return call


@pytest.fixture
def assert_within_rounding():
    """Equal to 1e-5 of a weight's motion and one ulp of the weight."""

    def check(found, expected, history):
        error = np.abs(np.asarray(found, np.float64) - expected)
        allowed = 1e-5 * history.std(axis=0, dtype=np.float64)
        assert (error <= allowed + np.spacing(np.abs(history).max(axis=0))).all()

    return check
