"""Colour classes: a partition in which no output reads two units of a class."""

import jax
import numpy as np
import pytest

from cmd_jax.phase_transition import regular_graph
from cmd_jax.phase_transition.colouring import colour_classes


@pytest.mark.parametrize(("units", "degree"), [(40, 3), (30, 5), (12, 7)])
def test_units_of_a_class_share_no_output(units, degree, key):
    graphs = [regular_graph(units, degree, key=k) for k in jax.random.split(key, 3)]
    found = colour_classes(graphs)
    assert len({classes.shape for classes in found}) == 1
    for graph, classes in zip(graphs, found, strict=True):
        assert sorted(classes[classes >= 0].tolist()) == list(range(units))
        for members in classes:
            read = np.isin(graph, members[members >= 0]).sum(axis=1)
            assert read.max() <= 1


def test_classes_are_about_equal():
    graph = regular_graph(300, 3, key=jax.random.key(2))
    (classes,) = colour_classes([graph])
    assert classes.size < 1.15 * 300
