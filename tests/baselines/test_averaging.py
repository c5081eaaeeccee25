import numpy as np
import pytest

from cmd_jax import baselines


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_ema_is_the_mean_with_weights_that_decay(
    make_history, follow, assert_within_rounding, decay, size
):
    history = make_history(300, size)
    found = follow(baselines.ema(decay=decay), history)
    exact, total = history.astype(np.float64), 0.0
    for record, params in enumerate(found):
        total = decay * total + exact[record]
        weights = decay ** np.arange(record + 1)
        assert_within_rounding(params, total / weights.sum(), history)


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("start_record", [0, 1, 40])
def test_swa_is_the_mean_from_a_record_on(
    make_history, follow, assert_within_rounding, start_record, size
):
    history = make_history(1500, size, num_weights=50)
    found = follow(baselines.swa(start_record=start_record), history)
    np.testing.assert_array_equal(
        found[: start_record + 1], history[: start_record + 1]
    )
    for record in range(start_record, 1500, 97):
        averaged = history[start_record : record + 1]
        expected = averaged.mean(axis=0, dtype=np.float64)
        assert_within_rounding(found[record], expected, history)


def test_without_decay_ema_is_swa(make_history, follow):
    history = make_history(30, 0.0)
    ema = follow(baselines.ema(decay=1), history)
    np.testing.assert_array_equal(ema, follow(baselines.swa(), history))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: baselines.ema(decay=0.0), "decay is 0.0; allowed are numbers above 0"),
        (lambda: baselines.ema(decay=1.001), "decay is 1.001; allowed"),
        (lambda: baselines.ema(decay=float("nan")), "decay is nan; allowed"),
        (lambda: baselines.swa(start_record=-1), "start_record is -1; allowed are 0"),
    ],
)
def test_numbers_that_are_not_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
