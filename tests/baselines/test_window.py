import numpy as np
import pytest

from cmd_jax import baselines


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("num_records", [1, 4, 30])
def test_lawa_is_the_mean_of_the_last_records(
    make_history, follow, assert_within_rounding, num_records, size
):
    history = make_history(20, size)
    found = follow(baselines.lawa(num_records=num_records), history)
    for record, params in enumerate(found):
        averaged = history[max(0, record + 1 - num_records) : record + 1]
        expected = averaged.mean(axis=0, dtype=np.float64)
        assert_within_rounding(params, expected, history)


def test_lawa_of_one_record_is_the_last_one(make_history, follow):
    history = make_history(10, 1e4)
    np.testing.assert_array_equal(
        follow(baselines.lawa(num_records=1), history), history
    )


@pytest.mark.parametrize("num_records", [0, -3])
def test_a_number_that_is_not_allowed(num_records):
    with pytest.raises(ValueError, match=f"is {num_records}; allowed are 1 and up"):
        baselines.lawa(num_records=num_records)
