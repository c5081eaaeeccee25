"""What SGD has beside its points, and that greedy learning has none of it."""

import numpy as np
import pytest

from cmd_jax.phase_transition import ContinuousModel, Diagram, SparseDiscrete
from experiments.phase_transition import sgd_page
from experiments.study_page import FinishedRun

SIZES = np.array([2, 6])


@pytest.fixture
def diagram():
    error = np.array([[np.inf, 0.3], [0.0, 0.0]])
    passed = error == 0
    return Diagram(SIZES, error, error, passed, 1 * passed, 1 - error, 8, 3)


def finished(arrays):
    model = {"name": "sparse_continuous", "degree": 5, "learning_rate": 1.0}
    return FinishedRun({"config": {"model": model}}, {}, (0, 1), [{}, {}], arrays)


def test_growth_and_noise_are_measured_for_every_seed(diagram):
    model = ContinuousModel(num_units=8, degree=3, learning_rate=1.2)
    found = sgd_page.measure(model, diagram, (0, 1))
    assert found["growth"].shape == found["noise_scale"].shape == (2, 2)
    assert (found["growth"][0] > found["growth"][1]).all()
    assert (found["noise_scale"][0] == found["noise_scale"][1]).all()


def test_the_tables_hold_ends_and_thresholds(diagram):
    growth, scale = np.array([0.1, -0.2]), np.array([9.0, 9.0])
    (section,) = sgd_page.sections(
        finished([{"growth": growth, "noise_scale": scale}] * 2), diagram
    )
    ends, thresholds = section.tables
    assert [row[:4] for row in ends.rows] == [[2, 1, 1, 0], [6, 0, 0, 2]]
    assert [row[1] for row in thresholds.rows] == ["2 → 6", "2 → 6", "4.00", "9.00"]


def test_greedy_learning_has_no_such_section(diagram):
    assert sgd_page.measure(SparseDiscrete(8, 3), diagram, (0, 1)) == {}
    assert sgd_page.sections(finished([{"error": diagram.error[:, 0]}]), diagram) == []


@pytest.mark.parametrize(
    ("fails", "text"), [([0, 0], "< 2"), ([1, 0], "2 → 6"), ([1, 1], "> 6")]
)
def test_a_bracket_is_the_last_that_fails_and_the_next(diagram, fails, text):
    assert sgd_page.bracket(diagram, np.array(fails, bool)) == text
