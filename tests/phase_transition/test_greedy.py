"""Coloured sweeps against a sequential program, and what learning comes to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.phase_transition import (
    SparseDiscrete,
    bits,
    coloured_sweep,
    greedy,
    outputs,
    path_overlap,
    random_weights,
    sparse_network,
)
from cmd_jax.phase_transition import sweep as run_sweep
from cmd_jax.phase_transition.arrangement import (
    Weights,
    arrange,
    from_classes,
    to_classes,
)
from cmd_jax.phase_transition.colouring import colour_classes
from cmd_jax.phase_transition.graphs import readers
from cmd_jax.phase_transition.sign_network import first_student
from tests.phase_transition import sequential


def _one(tree):
    """A tree of a single replica."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], tree)


def _setting(num_units, degree, num_patterns, key):
    """A teacher, a student, packed and plain patterns, classes and places."""
    teacher = sparse_network(num_units, degree, key=key)
    student = random_weights(teacher.inputs, teacher.hidden, key=jax.random.key(7))
    num_words = bits.num_words(num_patterns)
    words = jax.random.bits(key, (num_words, num_units), jnp.uint32)
    unpacked = np.asarray(words)[:, None] >> np.arange(32, dtype=np.uint32)[:, None] & 1
    plain = 1 - 2 * unpacked.reshape(-1, num_units).astype(np.int8)
    (classes,) = colour_classes([teacher.hidden])
    places = coloured_sweep.locate(_one(arrange(teacher, classes)), num_words=num_words)
    return teacher, student, words, plain[:num_patterns], classes, places


def _weights_visited(student, classes, order):
    """The sequential order that an order of classes and rows stands for."""
    degree, leaving = student.first.shape[1], readers(student.hidden)
    for group, row in order.tolist():
        for unit in classes[group][classes[group] >= 0].tolist():
            if row < degree:
                yield "first", unit * degree + row
            else:
                yield "second", int(leaving[unit, row - degree])


@pytest.mark.parametrize(
    ("degree", "num_patterns", "strict"), [(3, 7, False), (3, 40, True), (5, 12, False)]
)
def test_a_coloured_sweep_is_a_sequential_one_in_its_order(
    degree, num_patterns, strict, key
):
    setting = _setting(15, degree, num_patterns, key)
    teacher, student, words, plain, classes, places = setting
    order = coloured_sweep.order_of_substeps(len(classes), 2 * degree, key=key)
    valid = jnp.asarray(bits.valid(num_patterns, len(words)))[None]
    found = jax.jit(coloured_sweep.sweep, static_argnames="strict")(
        places,
        _one(to_classes(teacher, classes)),
        _one(to_classes(student, classes)),
        words[None],
        valid,
        order,
        strict=strict,
    )
    found = from_classes(Weights(*(np.asarray(x)[0] for x in found)), student, classes)
    visited = list(_weights_visited(student, classes, np.asarray(order)))
    assert len(set(visited)) == len(visited) == student.first.size * 2
    expected = sequential.sweep(teacher, student, plain, visited, strict=strict)
    assert (expected.first != student.first).any()
    assert (found.first == expected.first).all()
    assert (found.second == expected.second).all()


def test_the_forward_pass_by_brute_force(key):
    _, student, words, plain, classes, places = _setting(20, 5, 64, key)
    fence = coloured_sweep.make_fence(jnp.ones((1, 2), jnp.uint32))
    weights = _one(to_classes(student, classes))
    found = np.asarray(coloured_sweep.forward(places, weights, words[None], fence))[0]
    unpacked = found[:, None] >> np.arange(32, dtype=np.uint32)[:, None] & 1
    assert (
        1 - 2 * unpacked.reshape(64, 20).astype(int) == outputs(student, plain)
    ).all()


def test_weights_go_to_classes_and_back(key):
    teacher, student, *_, classes, _ = _setting(20, 3, 1, key)
    again = from_classes(to_classes(student, classes), teacher, classes)
    assert (again.first == student.first).all()
    assert (again.second == student.second).all()


def test_overlap_and_error_of_a_test_are_those_of_the_networks(key):
    model = SparseDiscrete(num_units=15, degree=3, num_test=4000)
    keys = list(jax.random.split(key, 2))
    problem, state = model.problem([8, 40], keys)
    tested = jax.jit(lambda *args: model.bind(args[0])[1](*args[1:]))(
        jax.tree.map(jnp.asarray, problem), state, jnp.stack(keys)
    )
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (4000, 15))
    for replica, k in enumerate(keys):
        teacher = sparse_network(15, 3, key=k)
        student = first_student(teacher, start="random", learn_second=True, key=k)
        error = (outputs(teacher, signs) != outputs(student, signs)).mean()
        assert tested.error[replica] == pytest.approx(error, abs=0.02)
        assert tested.overlap[replica] == pytest.approx(path_overlap(teacher, student))


def test_small_batches_fail_and_large_ones_find_the_teacher(key):
    model = SparseDiscrete(num_units=30, degree=3)
    found = run_sweep(model, batch_sizes=(4, 24), num_seeds=2, num_sweeps=200, key=key)
    assert found.success.tolist() == [0, 1]
    assert (found.error[0] > 0.3).all()
    assert found.overlap[1] == pytest.approx(1)


def test_the_teacher_is_a_fixed_point_of_large_batches(key):
    model = SparseDiscrete(num_units=60, degree=3, start="teacher")
    found = run_sweep(
        model,
        batch_sizes=(2, 40),
        num_seeds=2,
        num_sweeps=40,
        test_every=20,
        stationary=True,
        key=key,
    )
    assert (found.stationary_error[1] < 1e-3).all()
    assert (found.stationary_error[0] > 0.1).all()


def test_a_training_set_is_learned_by_heart_or_from(key):
    """With few examples the batch is fitted, but the teacher is not found."""
    few, many = (
        run_sweep(
            SparseDiscrete(30, 3, num_examples=number, replacement=False),
            batch_sizes=(20,),
            num_seeds=2,
            num_sweeps=100,
            key=key,
        )
        for number in (20, 2000)
    )
    assert (few.error > 0.05).all()
    assert many.passed.all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"degree": 4}, "degree=4; a sign unit needs an odd number"),
        ({"degree": 31}, "degree=31 with num_units=30"),
        ({"start": "best"}, "'best'; allowed are 'random' and 'teacher'"),
        ({"num_examples": -1}, "num_examples=-1"),
        ({"num_examples": 5, "replacement": False}, "a mini-batch of 9 patterns"),
    ],
)
def test_what_cannot_be_is_refused(fields, message, key):
    model = SparseDiscrete(**{"num_units": 30, "degree": 3, **fields})
    with pytest.raises(ValueError, match=message):
        run_sweep(model, batch_sizes=(9,), num_seeds=1, key=key)


@pytest.mark.slow
def test_interleaved_agrees_with_a_random_permutation_and_layers_do_not(
    key, monkeypatch
):
    """The mean stationary error at d = 3, m = 8, as in the notes' section 5."""
    options = {"batch_sizes": (8,), "num_seeds": 16, "num_sweeps": 400}
    options |= {"test_every": 10, "stationary": True, "key": key}
    model = SparseDiscrete(num_units=60, degree=3)
    interleaved = run_sweep(model, **options).stationary_error.mean()
    sequential_errors = []
    for seed in range(16):
        teacher = sparse_network(60, 3, key=jax.random.key(seed))
        student = first_student(
            teacher, start="random", learn_second=True, key=jax.random.key(seed)
        )
        sequential_errors.append(
            sequential.stationary_error(
                teacher, student, batch_size=8, num_sweeps=400, seed=seed
            )
        )

    def by_layer(num_classes, num_rows, *, key):
        order = coloured_sweep.order_of_substeps(num_classes, num_rows, key=key)
        return order[jnp.argsort(order[:, 1] >= 3, stable=True)]

    monkeypatch.setattr(greedy, "order_of_substeps", by_layer)
    layered = run_sweep(model, **options).stationary_error.mean()
    expected = np.mean(sequential_errors)
    assert interleaved == pytest.approx(expected, rel=0.06)
    assert layered < 0.9 * expected
