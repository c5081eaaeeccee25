"""λ against a loop in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.least_action import ascend, initial_multiplier

LOSSES = np.random.default_rng(0).exponential(size=20).astype(np.float32)


def _loop(*, initial, rate, every, maximum):
    value, values = initial, []
    for step, loss in enumerate(LOSSES, 1):
        if step % every == 0:
            value = min(value + rate * float(loss), maximum)
        values.append(value)
    return values


@pytest.mark.parametrize(
    ("every", "maximum"), [(1, np.inf), (5, np.inf), (7, np.inf), (3, 3.0)]
)
def test_is_the_loop(every, maximum):
    options = {"rate": 0.7, "every": every}
    bound = None if maximum == np.inf else maximum

    def step(multiplier, loss):
        multiplier = ascend(multiplier, loss, **options, maximum=bound)
        return multiplier, multiplier.value

    _, found = jax.lax.scan(step, initial_multiplier(0.5), jnp.asarray(LOSSES))
    expected = _loop(initial=0.5, **options, maximum=maximum)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_overflow_is_capped_at_the_largest_float():
    multiplier = initial_multiplier(1.0)
    for _ in range(3):
        multiplier = ascend(multiplier, jnp.float32(3e38), rate=1.0, every=1)
    assert multiplier.value == np.finfo(np.float32).max


def test_no_gradient_flows_through_it():
    def value(loss):
        return ascend(initial_multiplier(1.0), loss, rate=2.0, every=1).value

    assert jax.grad(value)(jnp.float32(1)) == 0
