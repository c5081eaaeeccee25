"""The null against the figures of the notes, and on walks themselves."""

import jax
import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.trajectory import Trajectory


def _walks(num_records, num_weights, profile=1.0, seed=0):
    steps = np.random.default_rng(seed).normal(size=(num_records, num_weights))
    steps[0] = 0
    steps[1:] *= np.broadcast_to(profile, num_records - 1)[:, None]
    return Trajectory(
        {"w": steps.cumsum(axis=0).astype(np.float32)}, np.arange(num_records)
    )


@pytest.mark.parametrize(
    ("num_modes", "method", "correlation", "r_squared"),
    [(10, "k_medoids", 0.79, 0.64), (2, "hierarchical", 0.69, 0.51)],
)
def test_what_chance_gives_after_21_records(num_modes, method, correlation, r_squared):
    null = modes.random_walk_null(
        _walks(21, 2000),
        num_modes=num_modes,
        num_samples=1000,
        method=method,
        key=jax.random.key(0),
    )
    assert null.correlation == pytest.approx(correlation, abs=0.02)
    assert null.r_squared == pytest.approx(r_squared, abs=0.03)


def test_independent_walks_do_not_rise_above_their_null():
    profile = 0.8 ** np.arange(20)
    walks = _walks(21, 20_000, profile)
    options = {"num_modes": 5, "num_samples": 500, "key": jax.random.key(1)}
    found = modes.decompose(walks, **options)
    null = modes.random_walk_null(walks, **options)
    assert found.mean_r_squared == pytest.approx(null.r_squared, abs=0.02)
    flat = modes.random_walk_null(_walks(21, 20_000), **options)
    assert abs(null.r_squared - flat.r_squared) > 0.03  # the profile matters


def test_the_profile_does_not_depend_on_scale_or_drift_free_mean():
    walks = _walks(21, 3000)
    scaled = Trajectory({"w": 4 * walks.params["w"]}, walks.steps)
    options = {"num_modes": 3, "num_samples": 200, "num_walks": 2000}
    first = modes.random_walk_null(walks, **options, key=jax.random.key(2))
    again = modes.random_walk_null(scaled, **options, key=jax.random.key(2))
    assert first.r_squared == pytest.approx(again.r_squared, abs=1e-6)
