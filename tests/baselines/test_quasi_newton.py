"""BFGS with a line search: its update against NumPy, its steps against Armijo."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import baselines


def rosenbrock(z):
    return 10 * (z[1] - z[0] ** 2) ** 2 + (1 - z[0]) ** 2


def follow(function, start, num_steps, **options):
    """The places and states of some steps; `function(z, step)` gives the loss."""
    optimizer = baselines.bfgs(**options)

    @jax.jit
    def advance(z, state):
        value, gradient = jax.value_and_grad(function)(z, state.num_steps)
        step, state = optimizer.update(
            gradient,
            state,
            z,
            value=value,
            value_fn=lambda z: function(z, state.num_steps),
        )
        return z + step, state

    z, state = jnp.asarray(start, jnp.float32), optimizer.init(jnp.zeros(len(start)))
    path = [(z, state)]
    for _ in range(num_steps):
        z, state = advance(z, state)
        path.append((z, state))
    return path


def test_the_memory_is_the_bfgs_formula_over_successive_batches():
    matrices = np.random.default_rng(0).standard_normal((8, 4, 3)).astype(np.float32)

    def function(z, step):  # another batch at every step
        return jnp.sum((jnp.asarray(matrices)[step] @ z - 1) ** 2)

    path = follow(function, [1.0, -2.0, 0.5], 8)
    expected = np.eye(3)
    for (_, before), (_, after) in itertools.pairwise(path[1:]):
        s = np.asarray(before.step, np.float64)
        y = np.asarray(after.gradient, np.float64) - np.asarray(before.gradient)
        if y @ s > 1e-20:
            across = np.eye(3) - np.outer(s, y) / (y @ s)
            expected = across @ expected @ across.T + np.outer(s, s) / (y @ s)
        np.testing.assert_allclose(after.inverse_hessian, expected, rtol=2e-3)
    assert not np.allclose(expected, np.eye(3))


def test_every_step_satisfies_armijos_condition_and_the_one_before_does_not():
    path = follow(lambda z, _: rosenbrock(z), [-1.2, 1.0], 25)
    lengths = []
    for (z, before), (_, after) in itertools.pairwise(path):
        direction = -after.inverse_hessian @ after.gradient
        descent = float(after.gradient @ direction)
        trials = int(after.num_trials - before.num_trials)
        length = 0.4 ** (trials - 1)
        np.testing.assert_allclose(after.step, length * direction, rtol=1e-4)
        value = float(rosenbrock(z))
        slack = 1e-6 * (1 + value)
        bound = value + 0.4 * length * descent
        assert rosenbrock(z + after.step) <= bound + slack
        if trials > 1:
            longer = value + 0.4 * length / 0.4 * descent
            assert rosenbrock(z + length / 0.4 * direction) > longer - slack
        lengths.append(length)
    assert min(lengths) < 1 and 1.0 in lengths
    assert rosenbrock(path[-1][0]) < 1e-6


def test_where_no_trial_satisfies_no_step_is_taken_and_it_is_counted():
    def function(z, step):  # two steps of 1 each go down, the third meets a wall
        return z.sum() + jnp.where(z.sum() < -2.05, 1e3, 0.0)

    path = follow(function, [1.0, 1.0], 5, max_trials=4)
    taken = [int(state.num_taken) for _, state in path]
    assert taken == [0, 1, 2, 2, 2, 2]
    last = path[-1][1]
    assert last.last_taken == 1
    assert last.num_steps == 5
    np.testing.assert_array_equal(last.step, 0)


def test_a_loss_that_is_not_finite_is_never_accepted():
    def function(z, _):
        return jnp.where(z[0] < 1, jnp.nan, z[0] ** 2)

    path = follow(function, [1.5], 3)
    assert (path[-1][0] >= 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sufficient_decrease": 0.0}, "sufficient_decrease is 0.0; allowed are"),
        ({"backtracking": 1.0}, "backtracking is 1.0; allowed are numbers between"),
        ({"max_trials": 0}, "max_trials is 0; allowed are 1 and up"),
    ],
)
def test_numbers_that_are_not_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        baselines.bfgs(**options)
