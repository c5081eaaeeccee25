"""Figures of a transfer: what they show is in them."""

import numpy as np

from cmd_jax.transfer import figures


def test_every_method_and_the_papers_curve_are_named():
    ours = {
        name: np.linspace([0.1, 0.1], [0.9, 0.8], 4).T
        for name in ("Naive", "GMT", "FGMT", "Oracle")
    }
    image = figures.accuracy(ours, {"FGMT": ([1, 2, 3], [50, 60, 70])}, 0.97).decode()
    for word in (*ours, "paper", "trained target"):
        assert f">{word}<" in image
    assert ">paper<" not in figures.accuracy(ours, {}, 0.97).decode()


def test_objectives_of_all_steps_are_drawn():
    sweeps = {
        "GMT": [np.array([1.0, 2.0]), np.zeros(2)],
        "FGMT": [np.array([1.0, 3.0])],
    }
    image = figures.objective(sweeps).decode()
    assert "GMT, darker with each step" in image


def test_lines_name_where_they_begin():
    shares = np.linspace(0, 1, 3)
    curves = {"Source": np.zeros((2, 3)), "Re-basined source": np.ones((2, 3))}
    image = figures.lines(shares, curves).decode()
    assert ">Re-basined source<" in image
