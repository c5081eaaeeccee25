"""Networks on a line, and the barrier between its ends."""

import jax.numpy as jnp
import numpy as np

from cmd_jax.trajectory import accuracy_barrier, line_metrics


def test_metrics_are_those_of_the_networks_between():
    first = {"w": jnp.array([1.0, 2.0]), "steps": jnp.array(3)}
    second = {"w": jnp.array([3.0, -2.0]), "steps": jnp.array(7)}
    found = line_metrics(
        lambda params: {"w": params["w"], "steps": params["steps"]},
        first,
        second,
        np.array([0, 0.25, 1]),
    )
    np.testing.assert_allclose(found["w"], [[1, 2], [1.5, 1], [3, -2]])
    assert found["steps"].tolist() == [7, 7, 7]


def test_a_barrier_is_the_fall_below_the_mean_of_the_ends():
    curves = np.array([[0.9, 0.3, 0.5], [0.2, 0.4, 0.6], [0.9, 0.9, 0.9]])
    np.testing.assert_allclose(accuracy_barrier(curves), [0.4, 0.2, 0.0], atol=1e-12)
