"""Sign networks: what they compute, and what flipping a hidden unit leaves alone."""

import itertools

import jax
import numpy as np
import pytest

from cmd_jax import rng
from cmd_jax.phase_transition import (
    committee,
    flip_gauge,
    outputs,
    path_overlap,
    random_weights,
    sparse_network,
)


@pytest.fixture
def teacher(key):
    return sparse_network(9, 3, key=key)


@pytest.fixture
def student(teacher):
    return random_weights(teacher.inputs, teacher.hidden, key=jax.random.key(5))


def test_outputs_by_brute_force(teacher):
    x = np.array(list(itertools.product((-1, 1), repeat=9)), np.int8)
    found = outputs(teacher, x)
    for example in (0, 77, 300, 511):
        hidden = [
            np.sign(sum(w * x[example, k] for w, k in zip(row, inputs, strict=True)))
            for row, inputs in zip(teacher.first, teacher.inputs, strict=True)
        ]
        for p in range(9):
            reads = zip(teacher.second[p], teacher.hidden[p], strict=True)
            assert found[example, p] == np.sign(sum(w * hidden[i] for w, i in reads))


def test_a_gauge_changes_neither_the_function_nor_the_overlap(teacher, student, key):
    turned = flip_gauge(student, np.array([0, 3, 4], np.int32))
    assert (turned.first != student.first).any()
    x = rng.generator(key).choice(np.array([-1, 1], np.int8), (50, 9))
    assert (outputs(turned, x) == outputs(student, x)).all()
    assert path_overlap(teacher, turned) == pytest.approx(
        path_overlap(teacher, student)
    )


def test_the_overlap_of_equal_and_of_independent_networks(key):
    teacher = sparse_network(200, 3, key=key)
    other = random_weights(teacher.inputs, teacher.hidden, key=jax.random.key(9))
    assert path_overlap(teacher, teacher) == 1
    assert abs(path_overlap(teacher, other)) < 0.1


@pytest.mark.parametrize("graph", ["tree", "regular"])
def test_a_committee_votes(graph, key):
    network = committee(5, 3, graph=graph, key=key)
    x = rng.generator(key).choice(
        np.array([-1, 1], np.int8), (20, 15 if graph == "tree" else 5)
    )
    votes = np.sign((network.first * x[:, network.inputs]).sum(axis=2)).sum(axis=1)
    assert (outputs(network, x)[:, 0] == np.sign(votes)).all()


def test_an_unknown_graph_is_refused(key):
    with pytest.raises(ValueError, match="'star'"):
        committee(5, 3, graph="star", key=key)
