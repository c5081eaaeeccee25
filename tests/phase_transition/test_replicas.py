"""The sweep over batch sizes: padding, devices, chunks, first passage."""

import numpy as np
import pytest

from cmd_jax.phase_transition import Budget, SparseDiscrete, Sweep, create, sweep

MODEL = SparseDiscrete(num_units=12, degree=3)


def _run(replicas):
    state = replicas.start()
    while not replicas.done(state):
        state = replicas.advance(state)
    return replicas.diagram(state)


def test_first_passage_and_the_stationary_error(key):
    common = {"batch_sizes": (3, 24), "num_seeds": 2, "key": key}
    common |= {"num_sweeps": 80, "test_every": 20}
    told = []
    stopped = sweep(MODEL, **common, progress=lambda *done: told.append(done))
    whole = sweep(MODEL, **common, stationary=True)
    assert np.isnan(stopped.stationary_error).all()
    assert np.isfinite(whole.stationary_error).all()
    assert (stopped.error == whole.error).all()
    assert (stopped.error[stopped.passed] == 0).all()
    assert (stopped.num_sweeps[~stopped.passed] == 80).all()
    assert told[-1] == (80, stopped.passed.sum())


def test_a_chunk_may_end_beyond_the_budget(key):
    budgets = (Budget(40, 10, False, chunk_tests=n) for n in (1, 3))
    first, second = (_run(Sweep(MODEL, (4,), [key], budget)) for budget in budgets)
    assert first.error == second.error
    assert first.num_sweeps == second.num_sweeps


@pytest.mark.parametrize("sizes", [(), (0, 3), (4, 3), (3, 3)])
def test_batch_sizes_that_are_none_are_refused(sizes, key):
    with pytest.raises(ValueError, match="batch_sizes="):
        sweep(MODEL, batch_sizes=sizes, num_seeds=1, key=key)


def test_a_budget_that_tests_do_not_divide_is_refused(key):
    with pytest.raises(ValueError, match="num_sweeps=50 with test_every=20"):
        sweep(
            MODEL, batch_sizes=(3,), num_seeds=1, num_sweeps=50, test_every=20, key=key
        )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sparse_discret", {}, "did you mean 'sparse_discrete'"),
        ("sparse_discrete", {"num_unit": 3}, "did you mean 'num_units'"),
        ("sparse_discrete", {"num_units": 3.5}, "num_units is 3.5"),
        ("sparse_discrete", {"num_units": 30}, "needs the option 'degree'"),
    ],
)
def test_models_are_made_by_name(name, options, message):
    assert create("sparse_discrete", num_units=12, degree=3) == MODEL
    with pytest.raises((ValueError, TypeError), match=message):
        create(name, **options)
