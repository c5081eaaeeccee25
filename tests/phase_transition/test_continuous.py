"""Networks with real weights: their graphs, starts, symmetries and overlaps."""

import jax
import numpy as np
import pytest
from scipy import optimize

from cmd_jax.phase_transition.continuous import (
    Network,
    TwoLayer,
    draw_replica,
    matched_overlap,
    outputs,
    path_overlap,
)


def random_network(seed, units=9):
    draws = np.random.default_rng(seed)
    return TwoLayer(*draws.standard_normal((2, units, units)).astype(np.float32))


def test_the_teacher_has_d_weights_a_unit_on_both_sides_of_two_graphs(key):
    teacher, _, mask = draw_replica(Network(20, 3), key=key)
    for weights, present in zip(teacher, mask, strict=True):
        assert set(np.unique(np.abs(weights))) == {np.float32(0), np.float32(3**-0.5)}
        for axis in (0, 1):
            assert (np.count_nonzero(weights, axis=axis) == 3).all()
        np.testing.assert_array_equal(weights != 0, present == 1)
    assert (mask.hidden != mask.output).any()


@pytest.mark.parametrize(
    ("dense", "edges", "variance"), [(False, 5, 1 / 5), (True, 200, 1 / 200)]
)
def test_students_start_with_the_variance_of_their_fan_in(key, dense, edges, variance):
    replica = draw_replica(Network(200, 5, dense), key=key)
    for weights in replica.student:
        assert np.count_nonzero(weights) == 200 * edges
        assert np.isclose(weights[weights != 0].var(), variance, rtol=0.15)


def test_a_student_can_start_at_its_teacher(key):
    replica = draw_replica(Network(20, 3, dense=True), start="teacher", key=key)
    jax.tree.map(np.testing.assert_array_equal, replica.student, replica.teacher)


def test_outputs_are_those_of_the_formula(key):
    weights, x = (
        random_network(0),
        np.sign(np.random.default_rng(1).normal(size=(4, 9))),
    )
    x = x.astype(np.float32)
    expected = np.tanh(x @ weights.hidden.T) @ weights.output.T
    np.testing.assert_allclose(outputs(weights, x, "tanh"), expected, atol=1e-5)
    expected = np.maximum(x @ weights.hidden.T, 0) @ weights.output.T
    np.testing.assert_allclose(outputs(weights, x, "relu"), expected, atol=1e-5)


def test_the_overlap_is_the_cosine_over_all_paths():
    teacher, student = random_network(0), random_network(1)
    paths = [
        np.einsum("pi,ik->pik", w.output.astype(float), w.hidden).ravel()
        for w in (teacher, student)
    ]
    cosine = paths[0] @ paths[1] / np.prod([np.linalg.norm(p) for p in paths])
    assert np.isclose(path_overlap(teacher, student), cosine, atol=1e-5)
    assert np.isclose(path_overlap(teacher, teacher), 1)


def test_the_overlap_does_not_see_negated_or_exchanged_hidden_units():
    teacher, order = random_network(0), np.random.default_rng(2).permutation(9)
    signs = np.where(np.arange(9) % 2, 1, -1).astype(np.float32)
    negated = TwoLayer(teacher.hidden * signs[:, None], teacher.output * signs)
    exchanged = TwoLayer(negated.hidden[order], negated.output[:, order])
    assert np.isclose(path_overlap(teacher, negated), 1)
    assert path_overlap(teacher, exchanged) < 0.9
    assert np.isclose(matched_overlap(teacher, exchanged), 1)


def test_hidden_units_are_matched_as_scipy_would():
    teacher, student = random_network(0), random_network(1)
    products = (teacher.hidden @ student.hidden.T) * (teacher.output.T @ student.output)
    _, columns = optimize.linear_sum_assignment(products, maximize=True)
    exchanged = TwoLayer(student.hidden[columns], student.output[:, columns])
    assert np.isclose(
        matched_overlap(teacher, student), path_overlap(teacher, exchanged), atol=1e-5
    )


@pytest.mark.parametrize(
    ("network", "start", "words"),
    [
        (Network(5, 6), "random", "degree=6"),
        (Network(5, 0), "random", "degree=0"),
        (Network(5, 3, activation="elu"), "random", "allowed are tanh, relu"),
        (Network(5, 3), "warm", "allowed are 'random' and 'teacher'"),
    ],
)
def test_impossible_networks_are_refused(key, network, start, words):
    with pytest.raises(ValueError, match=words):
        draw_replica(network, start=start, key=key)
