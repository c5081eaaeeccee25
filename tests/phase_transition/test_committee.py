"""Committees: sweeps against the sequential program, and the count of votes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.phase_transition import CommitteeDiscrete, bits, outputs
from cmd_jax.phase_transition import committee as make_committee
from cmd_jax.phase_transition import sweep as run_sweep
from cmd_jax.phase_transition.committee_sweep import sweep_committee, vote
from cmd_jax.phase_transition.sign_network import first_student
from tests.phase_transition import sequential


@pytest.mark.parametrize(("graph", "strict"), [("tree", False), ("regular", True)])
def test_a_sweep_is_the_sequential_one_in_its_order(graph, strict, key):
    model = CommitteeDiscrete(num_hidden=7, degree=3, graph=graph)
    problem, state = model.problem([20], [key])
    problem, state = jax.tree.map(jnp.asarray, (problem, state))
    words = jax.random.bits(key, (1, 1, model.num_units), jnp.uint32)
    order = jax.random.permutation(key, 21)
    pairs = jnp.stack(jnp.divmod(order, 3), axis=1)
    found = jax.jit(sweep_committee, static_argnames="strict")(
        problem, state, words, pairs, strict=strict
    )
    unpacked = np.asarray(words[0, 0]) >> np.arange(32, dtype=np.uint32)[:, None] & 1
    plain = 1 - 2 * unpacked.astype(np.int8)
    teacher = make_committee(7, 3, graph=graph, key=key)
    student = first_student(teacher, start="random", learn_second=False, key=key)
    voted = np.asarray(vote(problem.inputs, state, words))[0, 0]
    signs = 1 - 2 * (voted >> np.arange(32, dtype=np.uint32) & 1).astype(int)
    assert (signs == outputs(student, plain)[:, 0]).all()
    visited = [("first", place) for place in order.tolist()]
    expected = sequential.sweep(teacher, student, plain[:20], visited, strict=strict)
    assert (expected.first != student.first).any()
    assert (bits.to_signs(np.asarray(found)[0]) == expected.first).all()


def test_large_batches_find_the_teacher(key):
    model = CommitteeDiscrete(num_hidden=5, degree=3)
    found = run_sweep(model, batch_sizes=(2, 90), num_seeds=2, num_sweeps=100, key=key)
    assert found.success.tolist() == [0, 1]
    assert found.num_units == 15


def test_an_even_number_of_votes_is_refused(key):
    model = CommitteeDiscrete(num_hidden=6, degree=3)
    with pytest.raises(ValueError, match="num_hidden=6"):
        run_sweep(model, batch_sizes=(9,), num_seeds=1, key=key)
