"""Networks between networks: where they lie, and that making them compiles once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Plane, interpolate, plane, plane_metrics


def test_interpolation_meets_both_ends():
    rng = np.random.default_rng(0)
    first, second = (
        {"n": np.array(n), "w": jnp.asarray(rng.normal(size=5), jnp.bfloat16)}
        for n in (1, 2)
    )
    np.testing.assert_array_equal(interpolate(first, second, 0.0)["w"], first["w"])
    end = interpolate(first, second, 1.0)
    np.testing.assert_array_equal(end["w"], second["w"])
    assert end["n"] == 2 and end["w"].dtype == jnp.bfloat16


def test_metrics_lie_where_their_networks_do_and_compile_once():
    rng = np.random.default_rng(0)
    center, first, second = ({"w": rng.normal(size=7)} for _ in range(3))
    center, first, second = jax.tree.map(np.float32, (center, first, second))
    traces = []

    @jax.jit
    def evaluate(params):
        traces.append(1)
        return {"loss": params["w"].sum(), "parts": params["w"][:2]}

    x, y = np.linspace(-1, 1, 4), np.linspace(0, 2, 3)
    compiled = plane._at._cache_size()
    found = plane_metrics(evaluate, Plane(center, (first, second)), x, y)
    assert len(traces) == 1 and plane._at._cache_size() == compiled + 1
    assert found["loss"].shape == (3, 4) and found["parts"].shape == (3, 4, 2)
    expected = center["w"] + x[1] * first["w"] + y[2] * second["w"]
    assert found["loss"][2, 1] == pytest.approx(expected.sum(), abs=1e-5)
    np.testing.assert_allclose(found["parts"][2, 1], expected[:2], atol=1e-6)
