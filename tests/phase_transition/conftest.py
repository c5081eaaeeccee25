"""Diagrams made by hand."""

import numpy as np
import pytest

from cmd_jax.phase_transition import Diagram


@pytest.fixture
def make_diagram():
    """`make_diagram(batch_sizes, error [points, seeds])`: zero error has passed."""

    def make(
        batch_sizes, error, *, passed=None, num_units=100, degree=3, start="random"
    ):
        error = np.asarray(error, float)
        passed = error == 0 if passed is None else np.asarray(passed, bool)
        sweeps = np.where(passed, 50, 1000)
        sizes = np.asarray(batch_sizes)
        return Diagram(
            sizes, error, error, passed, sweeps, 1 - error, num_units, degree, start
        )

    return make
