"""First or second order: planted jumps, planted slopes, and the sizes' exponents."""

import numpy as np
import pytest

from cmd_jax.phase_transition import (
    compare_branches,
    finite_size_scaling,
    judge_order,
    perfect_batch_size,
)

SIZES = [14, 16, 18, 20]


@pytest.fixture
def branches(make_diagram):
    """`branches(random, teacher)` of mean errors, eight replicas each."""
    noise = 0.01 * np.linspace(-1, 1, 8)

    def make(*means):
        spread = [np.outer(np.array(mean) > 0, noise) for mean in means]
        return [
            make_diagram(SIZES, np.array(mean)[:, None] + spread, start=start)
            for mean, spread, start in zip(
                means, spread, ("random", "teacher"), strict=True
            )
        ]

    return make


def test_a_jump_with_two_branches_is_of_first_order(branches):
    random, teacher = branches([0.42, 0.40, 0.36, 0.0], [0.42, 0.39, 0.02, 0.0])
    hysteresis = compare_branches(random, teacher)
    assert hysteresis.open.tolist() == [18]
    assert np.isclose(hysteresis.gap[2], 0.34)
    deviation = 0.01 * np.std(np.linspace(-1, 1, 8), ddof=1)
    assert np.isclose(hysteresis.standard_error[2], deviation / 2)
    verdict = judge_order(random, hysteresis)
    assert verdict.order == "first"
    assert np.isclose(verdict.remaining_error, 0.36)
    assert "0.360" in verdict.evidence and "18" in verdict.evidence


def test_an_error_that_goes_to_zero_is_of_second_order(branches):
    random, teacher = branches([0.2, 0.04, 0.009, 0.0], [0.2, 0.04, 0.009, 0.0])
    verdict = judge_order(random, compare_branches(random, teacher))
    assert (verdict.order, verdict.hysteresis) == ("second", 0)
    assert "no batch size" in verdict.evidence
    assert judge_order(random).order == "second"


@pytest.mark.parametrize(
    "means",
    [
        ([0.42, 0.40, 0.36, 0.0], [0.42, 0.40, 0.36, 0.0]),  # a jump, one branch
        ([0.42, 0.40, 0.38, 0.36], [0.42, 0.40, 0.38, 0.36]),  # m_c is not reached
        ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_divided_evidence_decides_nothing(branches, means):
    random, teacher = branches(*means)
    assert judge_order(random, compare_branches(random, teacher)).order == "undecided"


def test_a_jump_alone_is_told_from_one_branch(branches, make_diagram):
    random, _ = branches([0.42, 0.40, 0.36, 0.0], [0.0] * 4)
    verdict = judge_order(random)
    assert verdict.order == "first" and np.isnan(verdict.hysteresis)
    mixed = make_diagram(SIZES, [[0.4, 0.4], [0.4, 0.4], [0.36, 0.0], [0.0, 0.0]])
    assert np.isclose(judge_order(mixed).remaining_error, 0.36)


def test_branches_have_to_be_two_of_one_model(branches, make_diagram):
    random, teacher = branches([0.4] * 4, [0.0] * 4)
    with pytest.raises(ValueError, match="in this order"):
        compare_branches(teacher, random)
    elsewhere = make_diagram([1, 2], np.zeros((2, 2)), start="teacher")
    with pytest.raises(ValueError, match="none is in both"):
        compare_branches(random, elsewhere)


def test_exponents_and_drifts_are_those_planted():
    sizes = [100, 200, 400, 800]
    proportional = finite_size_scaling(sizes, [3 * n for n in sizes])
    assert np.isclose(proportional.exponent, 1)
    assert proportional.exponent_error < 1e-12
    drifting = finite_size_scaling(sizes, [perfect_batch_size(n, 3) for n in sizes])
    assert np.isclose(drifting.drift, -1 / np.log(1 - 0.4375))
    two = finite_size_scaling(sizes[:2], [5, 5])
    assert abs(two.exponent) < 1e-12 and np.isnan(two.exponent_error)


def test_a_slope_has_the_error_of_least_squares():
    generator = np.random.default_rng(0)
    sizes = np.geomspace(50, 800, 9)
    values = 5 + 2 * np.log(sizes) + 0.1 * generator.standard_normal(9)
    found = finite_size_scaling(sizes.astype(int).tolist(), values.tolist())
    (slope, _), covariance = np.polyfit(np.log(sizes.astype(int)), values, 1, cov=True)
    assert np.isclose(found.drift, slope)
    assert np.isclose(found.drift_error, np.sqrt(covariance[0, 0]))


@pytest.mark.parametrize(
    ("sizes", "values"), [([100], [10.0]), ([100, 100], [1, 2]), ([60, 90], [0, 1])]
)
def test_sizes_that_tell_no_slope_are_refused(sizes, values):
    with pytest.raises(ValueError, match="at least two different sizes"):
        finite_size_scaling(sizes, values)
