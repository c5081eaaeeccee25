"""Optimizers against their formulas."""

import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.train import create_optimizer


def _steps(optimizer, gradients, start=1.0):
    params = jnp.array(start)
    state, path = optimizer.init(params), []
    for gradient in gradients:
        updates, state = optimizer.update(jnp.array(gradient), state, params)
        params = params + updates
        path.append(float(params))
    return path


def test_momentum_and_weight_decay_are_pytorchs():
    optimizer = create_optimizer(
        "sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01, num_steps=3
    )
    weight, velocity, expected = 1.0, 0.0, []
    for gradient in (0.5, -0.2, 0.3):
        velocity = 0.9 * velocity + gradient + 0.01 * weight
        weight -= 0.1 * velocity
        expected.append(weight)
    np.testing.assert_allclose(_steps(optimizer, (0.5, -0.2, 0.3)), expected, rtol=1e-6)


def test_adam():
    optimizer = create_optimizer("adam", learning_rate=0.01, momentum=0.8, num_steps=2)
    weight, first, second, expected = 1.0, 0.0, 0.0, []
    for step, gradient in enumerate((0.5, -0.2), 1):
        first = 0.8 * first + 0.2 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        scaled = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        weight -= 0.01 * first / (1 - 0.8**step) / scaled
        expected.append(weight)
    np.testing.assert_allclose(_steps(optimizer, (0.5, -0.2)), expected, rtol=1e-5)


def test_cosine_ends_at_zero_and_warm_up_starts_there():
    optimizer = create_optimizer(
        "sgd", learning_rate=1.0, schedule="cosine", warmup_steps=2, num_steps=6
    )
    moves = -np.diff([0.0, *_steps(optimizer, [1.0] * 7, start=0.0)])
    after = [(1 + np.cos(np.pi * t / 4)) / 2 for t in range(5)]
    np.testing.assert_allclose(moves, [0.0, 0.5, *after], atol=1e-6)


def test_a_warm_up_before_a_constant_rate():
    optimizer = create_optimizer("sgd", learning_rate=1.0, warmup_steps=2, num_steps=4)
    moves = -np.diff([0.0, *_steps(optimizer, [1.0] * 4, start=0.0)])
    np.testing.assert_allclose(moves, [0.0, 0.5, 1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sdg", {}, "'sdg'; allowed are"),
        ("sgd", {"learning_rate": -1.0}, "learning_rate is -1.0"),
        ("sgd", {"learning_rate": float("nan")}, "learning_rate is nan"),
        ("sgd", {"momentum": 1.0}, "momentum is 1.0"),
        ("sgd", {"weight_decay": -0.1}, "weight_decay is -0.1"),
        ("sgd", {"schedule": "step"}, "unknown schedule 'step'"),
        ("sgd", {"nesterov": True}, "nesterov is True and momentum is 0"),
        ("sgd", {"warmup_steps": 9}, "warm-up of 9 steps"),
    ],
)
def test_what_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_optimizer(name, **{"learning_rate": 0.1, "num_steps": 5, **options})


def test_steps_divide_the_rate_after_their_number():
    optimizer = create_optimizer(
        "sgd",
        learning_rate=1.0,
        schedule="steps",
        decay_steps=(2, 3),
        decay_factor=0.2,
        num_steps=5,
    )
    moves = -np.diff([0.0, *_steps(optimizer, [1.0] * 5, start=0.0)])
    np.testing.assert_allclose(moves, [1, 1, 0.2, 0.04, 0.04], rtol=1e-5)


def test_a_long_gradient_is_clipped_before_weight_decay():
    optimizer = create_optimizer(
        "sgd", learning_rate=1.0, clip_norm=2.0, weight_decay=0.5, num_steps=2
    )
    expected = [1 - (2 + 0.5), -1.5 - (1 - 0.75)]
    np.testing.assert_allclose(_steps(optimizer, (30.0, 1.0)), expected, rtol=1e-6)


def test_adams_second_moment_has_its_decay():
    optimizer = create_optimizer(
        "adam", learning_rate=0.01, momentum=0.0, beta_2=0.5, num_steps=2
    )
    second = 0.5 * (0.5 * 0.5**2) + 0.5 * 0.2**2
    expected = [0.99, 0.99 + 0.01 * 0.2 / np.sqrt(second / (1 - 0.5**2))]
    np.testing.assert_allclose(_steps(optimizer, (0.5, -0.2)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta_2": 1.0}, "beta_2 is 1.0"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0"),
        ({"schedule": "steps"}, "needs some"),
        ({"decay_steps": (1,)}, "needs some"),
        ({"schedule": "steps", "decay_steps": (0,)}, "at least 1"),
        ({"schedule": "steps", "decay_steps": (1,), "warmup_steps": 1}, "no warm-up"),
    ],
)
def test_refuses_what_does_not_fit_together(options, message):
    with pytest.raises(ValueError, match=message):
        create_optimizer("sgd", learning_rate=0.1, num_steps=2, **options)
