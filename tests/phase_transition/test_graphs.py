"""Graphs: regular on both sides, no double edges, the same for the same key."""

import jax
import numpy as np
import pytest

from cmd_jax.phase_transition import dense_graph, regular_graph, tree_graph
from cmd_jax.phase_transition.graphs import readers


@pytest.mark.parametrize(
    ("units", "degree"), [(30, 3), (10, 5), (7, 5), (5, 5), (9, 1), (100, 9)]
)
def test_regular_on_both_sides_without_double_edges(units, degree, key):
    graph = regular_graph(units, degree, key=key)
    assert graph.shape == (units, degree)
    assert (np.bincount(graph.ravel(), minlength=units) == degree).all()
    assert all(len(set(row)) == degree for row in graph.tolist())


def test_the_same_key_gives_the_same_graph_and_another_another(key):
    first, again = (regular_graph(20, 3, key=key) for _ in range(2))
    assert (first == again).all()
    assert (first != regular_graph(20, 3, key=jax.random.key(1))).any()


@pytest.mark.parametrize("degree", [0, 12])
def test_an_impossible_degree_is_refused(degree, key):
    with pytest.raises(ValueError, match=f"degree={degree} with num_units=11"):
        regular_graph(11, degree, key=key)


def test_tree_and_dense():
    assert sorted(tree_graph(5, 3).ravel().tolist()) == list(range(15))
    assert dense_graph(4).tolist() == [[0, 1, 2, 3]] * 4


def test_readers_invert_a_graph(key):
    graph = regular_graph(12, 3, key=key)
    assert (graph.reshape(-1)[readers(graph)] == np.arange(12)[:, None]).all()
