import jax
import numpy as np
import pytest

from cmd_jax import baselines


@pytest.fixture
def make_history():
    """Random walks [records, weights] around `size` times their motion, float32."""

    def make(num_records, size, num_weights=200):
        generator = np.random.default_rng(0)
        shape = (num_records, num_weights)
        walks = generator.standard_normal(shape).cumsum(axis=0)
        return (walks + size * walks.std()).astype(np.float32)

    return make


def follow(estimator, history):
    """The estimate after each record."""

    def step(state, record):
        state = estimator.update(state, record)
        return state, estimator.params(state)

    return jax.jit(lambda x: jax.lax.scan(step, estimator.init(x[0] + 5), x)[1])(
        history
    )


def assert_within_rounding(found, expected, history):
    """To 1e-5 of a weight's motion and one ulp of the weight."""
    error = np.abs(np.asarray(found, np.float64) - expected)
    allowed = 1e-5 * history.std(axis=0, dtype=np.float64)
    assert (error <= allowed + np.spacing(np.abs(history).max(axis=0))).all()


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_ema_is_the_mean_with_weights_that_decay(make_history, decay, size):
    history = make_history(300, size)
    found = follow(baselines.ema(decay=decay), history)
    exact, total = history.astype(np.float64), 0.0
    for record, params in enumerate(found):
        total = decay * total + exact[record]
        weights = decay ** np.arange(record + 1)
        assert_within_rounding(params, total / weights.sum(), history)


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("start_record", [0, 1, 40])
def test_swa_is_the_mean_from_a_record_on(make_history, start_record, size):
    history = make_history(1500, size, num_weights=50)
    found = follow(baselines.swa(start_record=start_record), history)
    np.testing.assert_array_equal(
        found[: start_record + 1], history[: start_record + 1]
    )
    for record in range(start_record, 1500, 97):
        averaged = history[start_record : record + 1]
        expected = averaged.mean(axis=0, dtype=np.float64)
        assert_within_rounding(found[record], expected, history)


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("num_records", [1, 4, 30])
def test_lawa_is_the_mean_of_the_last_records(make_history, num_records, size):
    history = make_history(20, size)
    found = follow(baselines.lawa(num_records=num_records), history)
    for record, params in enumerate(found):
        averaged = history[max(0, record + 1 - num_records) : record + 1]
        expected = averaged.mean(axis=0, dtype=np.float64)
        assert_within_rounding(params, expected, history)


def test_without_decay_ema_is_swa(make_history):
    history = make_history(30, 0.0)
    ema = follow(baselines.ema(decay=1), history)
    np.testing.assert_array_equal(ema, follow(baselines.swa(), history))


def test_lawa_of_one_record_is_the_last_one(make_history):
    history = make_history(10, 1e4)
    np.testing.assert_array_equal(
        follow(baselines.lawa(num_records=1), history), history
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: baselines.ema(decay=0.0), "decay is 0.0; allowed are numbers above 0"),
        (lambda: baselines.ema(decay=1.001), "decay is 1.001; allowed"),
        (lambda: baselines.ema(decay=float("nan")), "decay is nan; allowed"),
        (lambda: baselines.swa(start_record=-1), "start_record is -1; allowed are 0"),
        (lambda: baselines.lawa(num_records=0), "num_records is 0; allowed are 1"),
    ],
)
def test_numbers_that_are_not_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
