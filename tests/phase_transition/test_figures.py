"""Figures of phase diagrams: that they are drawn, and show what they say."""

import re

import numpy as np
import pytest

from cmd_jax.phase_transition import Threshold, figures

SIZES = [4, 6, 8, 10]
ERROR = [[0.4, 0.5], [0.3, np.inf], [0.0, 0.2], [0.0, 0.0]]


@pytest.fixture
def diagram(make_diagram):
    return make_diagram(SIZES, ERROR)


def drawn_texts(image):
    assert image.startswith(b"<?xml") and b"nan" not in image.lower()
    return re.findall(r">([^<>]+)</text>", image.decode())


def test_errors_stand_under_their_names(diagram):
    texts = drawn_texts(figures.errors({"N = 100": diagram, "N = 400": diagram}))
    assert {"N = 100", "N = 400", "mini-batch size m"} <= set(texts)
    assert figures.errors({"a": diagram}) == figures.errors({"a": diagram})
    assert figures.errors({"a": diagram}) != figures.errors({"a": diagram}, level=None)


def test_success_has_the_curve_that_gives_the_threshold(diagram, make_diagram):
    fitted = figures.success({"d = 3": diagram})
    flat = figures.success({"d = 3": make_diagram(SIZES, np.zeros((4, 2)))})
    assert "d = 3" in drawn_texts(fitted)
    assert fitted.count(b"<path") == flat.count(b"<path") + 1


def test_thresholds_leave_out_what_was_not_found():
    known, unknown = Threshold(9.0, 8.5, 9.5, 8, 10), Threshold(np.nan, 10, 20, 10, 20)
    image = figures.thresholds(
        np.array([3, 5]),
        {"P0 = 1/2": [known, unknown]},
        xlabel="connectivity d",
        theory={"formula": np.array([8.0, 12.0])},
        logarithmic=True,
    )
    assert {"P0 = 1/2", "formula", "connectivity d"} <= set(drawn_texts(image))


def test_branches_have_a_panel_for_each_model(diagram):
    texts = drawn_texts(
        figures.hysteresis({"d = 3": (diagram,) * 2, "d = 5": (diagram,) * 2})
    )
    assert {"d = 3", "d = 5", "from the teacher"} <= set(texts)


def test_accuracies_have_a_line_for_each_learning_rate():
    lines = {"η = 0.1": np.array([[90.0, 80.0]]), "η = 1": np.array([[10.0, 95.0]])}
    panels = {"after 5 epochs": lines, "after 100 steps": lines}
    texts = drawn_texts(figures.accuracies(np.array([1, 16]), panels, chance=10.0))
    assert {"η = 0.1", "η = 1", "after 5 epochs", "16"} <= set(texts)
