"""Thresholds against planted curves, SciPy's optimum and the promised coverage."""

import jax
import numpy as np
import pytest
from scipy import optimize

from cmd_jax.phase_transition import (
    error_threshold,
    fit_logistic,
    success_threshold,
    susceptibility_peak,
)

SIZES = np.array([4, 6, 8, 9, 11, 14, 20])


def planted(middle, slope, seeds, generator):
    chance = 1 / (1 + np.exp(-slope * (SIZES - middle)))
    return generator.random((len(SIZES), seeds)) < chance[:, None]


def penalised(beta, successes, seeds):
    """Minus Firth's penalised log-likelihood."""
    x = np.stack([np.ones(len(SIZES)), SIZES])
    logit = beta @ x
    p = 1 / (1 + np.exp(-logit))
    information = (x * seeds * p * (1 - p)) @ x.T
    likelihood = np.sum(successes * logit - seeds * np.logaddexp(0, logit))
    return -likelihood - 0.5 * np.linalg.slogdet(information)[1]


@pytest.mark.parametrize(
    "successes", [[0, 1, 2, 6, 7, 8, 8], [0, 0, 0, 8, 8, 8, 8], [0, 0, 3, 0, 8, 7, 8]]
)
def test_the_fit_is_the_optimum_that_scipy_finds(successes):
    fit = fit_logistic(SIZES, np.array(successes), 8)
    found = optimize.minimize(
        penalised, [-5.0, 0.6], (np.array(successes), 8), "Nelder-Mead", tol=1e-10
    )
    intercept, slope = found.x
    assert fit.converged
    assert np.isclose(fit.slope, slope, rtol=1e-4)
    assert np.isclose(fit.middle, -intercept / slope, rtol=1e-4)


def test_many_fits_at_once_are_single_fits():
    draws = np.random.default_rng(0).binomial(8, 0.5, (20, len(SIZES)))
    together = fit_logistic(SIZES, draws, 8)
    single = [fit_logistic(SIZES, row, 8) for row in draws]
    assert together.converged.all()
    np.testing.assert_allclose(together.slope, [f.slope for f in single], rtol=1e-6)
    np.testing.assert_allclose(together.middle, [f.middle for f in single], rtol=1e-6)


def test_a_planted_threshold_is_found(make_diagram, key):
    passed = planted(9.7, 0.9, 400, np.random.default_rng(1))
    diagram = make_diagram(SIZES, 0.4 * ~passed, passed=passed)
    threshold = success_threshold(diagram, key=key)
    assert abs(threshold.estimate - 9.7) < 0.25
    assert threshold.low < 9.7 < threshold.high
    assert threshold.high - threshold.low < 0.8
    assert (threshold.below, threshold.above) == (9, 11)


def test_the_interval_covers_as_often_as_it_says(make_diagram):
    generator, covered = np.random.default_rng(2), []
    for trial in range(120):
        passed = planted(9.7, 0.9, 16, generator)
        diagram = make_diagram(SIZES, 0.4 * ~passed, passed=passed)
        threshold = success_threshold(
            diagram, confidence=0.9, num_resamples=150, key=jax.random.key(trial)
        )
        covered.append(threshold.low <= 9.7 <= threshold.high)
    # 0.9 within three standard errors, and a bootstrap that may be a bit short.
    assert 0.81 < np.mean(covered) < 0.975


def test_a_step_is_known_no_better_than_the_grid(make_diagram, key):
    error = [[0.4] * 8] * 3 + [[0.0] * 8] * 4
    threshold = success_threshold(make_diagram(SIZES, error), key=key)
    assert (threshold.low, threshold.high) == (8, 9)
    assert 8 < threshold.estimate < 9


@pytest.mark.parametrize("find", [success_threshold, error_threshold])
@pytest.mark.parametrize(
    ("error", "bracket"), [(0.4, (20, np.inf)), (0.0, (-np.inf, 4))]
)
def test_a_threshold_beyond_the_grid_is_said_to_be_there(
    make_diagram, key, find, error, bracket
):
    threshold = find(make_diagram(SIZES, np.full((7, 3), error)), key=key)
    assert np.isnan(threshold.estimate)
    assert (threshold.below, threshold.above) == bracket
    assert (threshold.low, threshold.high) == bracket


def test_the_error_passes_a_quarter_where_its_line_does(make_diagram, key):
    line = 0.5 - 0.025 * SIZES
    noise = 0.02 * np.random.default_rng(3).standard_normal((7, 30))
    noise -= noise.mean(axis=1, keepdims=True)
    threshold = error_threshold(make_diagram(SIZES, line[:, None] + noise), key=key)
    assert np.isclose(threshold.estimate, 10)
    assert threshold.low < 10 < threshold.high < 10.5
    assert (threshold.below, threshold.above) == (9, 11)


def test_a_run_that_diverged_is_one_that_has_learned_nothing(make_diagram, key):
    error = np.array([[np.inf, np.inf], [0.5, 0.5], [0.0, 0.0]])
    diagram = make_diagram([1, 2, 3], error)
    assert error_threshold(diagram, key=key).estimate == 2.5
    assert susceptibility_peak(diagram, key=key).estimate == 1


def test_replicas_differ_the_most_at_the_peak(make_diagram, key):
    spread = np.array([0.01, 0.02, 0.1, 0.02, 0.01, 0.0, 0.0])
    error = 0.2 + spread[:, None] * np.random.default_rng(4).standard_normal((7, 24))
    peak = susceptibility_peak(make_diagram(SIZES, error), key=key)
    assert (peak.below, peak.estimate, peak.above) == (6, 8, 9)
    assert (peak.low, peak.high) == (8, 8)
    with pytest.raises(ValueError, match="a single replica"):
        susceptibility_peak(make_diagram(SIZES, np.zeros((7, 1))), key=key)
