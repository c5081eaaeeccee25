"""PyTorch's default initialisation."""

import jax
import numpy as np
import pytest
from scipy import stats

from cmd_jax.models import fan_in_uniform


def test_is_uniform_within_one_over_root_fan_in() -> None:
    values = np.asarray(fan_in_uniform(75)(jax.random.key(0), (75, 400))).ravel()
    bound = 75**-0.5
    assert np.abs(values).max() <= bound
    assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


def test_is_fixed_by_the_key() -> None:
    initializer = fan_in_uniform(4)
    first = initializer(jax.random.key(1), (4, 3))
    np.testing.assert_array_equal(first, initializer(jax.random.key(1), (4, 3)))
    assert (first != initializer(jax.random.key(2), (4, 3))).any()


def test_the_scale_is_a_factor_on_the_values() -> None:
    plain, scaled = (fan_in_uniform(9, scale) for scale in (1.0, 0.3))
    values = plain(jax.random.key(0), (9, 5))
    np.testing.assert_allclose(
        scaled(jax.random.key(0), (9, 5)), 0.3 * values, rtol=1e-5, atol=1e-8
    )
    with pytest.raises(ValueError, match="scale=-1; allowed is a positive number"):
        fan_in_uniform(9, -1)


def test_refuses_no_inputs() -> None:
    with pytest.raises(ValueError, match="fan_in=0; allowed is at least 1"):
        fan_in_uniform(0)
