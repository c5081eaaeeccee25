import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.modes.correlation import correlation_matrix


def random_walks(num_records, num_weights, seed=0):
    steps = np.random.default_rng(seed).standard_normal((num_records, num_weights))
    return steps.cumsum(axis=0)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("num_records", [3, 21, 150])
def test_equals_numpy_in_float64(offset, num_records):
    walks = random_walks(num_records, 40)
    histories = (walks / walks.std(axis=0) + offset).astype(np.float32)
    expected = np.corrcoef(histories.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(correlation_matrix(histories), expected, atol=3e-6)


def test_is_a_correlation_matrix():
    correlation = np.asarray(correlation_matrix(random_walks(50, 30)))
    assert correlation.dtype == np.float32
    assert (np.diag(correlation) == 1).all()
    assert (np.abs(correlation) <= 1).all()
    np.testing.assert_allclose(correlation, correlation.T, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_a_constant_weight_correlates_with_nothing(value):
    histories = np.float32(random_walks(9, 4))
    histories[:, 2] = value
    correlation = np.asarray(correlation_matrix(histories))
    assert correlation[2].tolist() == correlation[:, 2].tolist() == [0, 0, 1, 0]


def test_one_ulp_of_motion_is_no_constant():
    histories = np.ones((4, 2), np.float32)
    histories[2:, 0] = np.nextafter(np.float32(1), np.float32(2))
    histories[2:, 1] = 5
    np.testing.assert_allclose(correlation_matrix(histories), 1.0, atol=1e-6)


def test_a_constant_multiple_changes_signs_only():
    histories = np.float32(random_walks(21, 3))
    scaled = histories * np.float32([1e-25, -1e25, 1.0])
    expected = np.outer([1, -1, 1], [1, -1, 1]) * correlation_matrix(histories)
    np.testing.assert_allclose(correlation_matrix(scaled), expected, atol=1e-5)


def test_permuting_weights_permutes_the_matrix():
    histories, order = np.float32(random_walks(21, 6)), np.array([3, 0, 5, 1, 4, 2])
    expected = correlation_matrix(histories)[order][:, order]
    permuted = correlation_matrix(histories[:, order])
    np.testing.assert_allclose(permuted, expected, atol=1e-6)


def test_has_no_host_step():
    histories = jax.ShapeDtypeStruct((21, 5), jnp.float32)
    assert jax.eval_shape(correlation_matrix, histories).shape == (5, 5)
