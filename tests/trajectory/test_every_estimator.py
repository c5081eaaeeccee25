"""What every estimator has to pass; a new one joins `estimators.MAKERS`."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import modes, trees
from cmd_jax.checkpoints import Checkpoints
from tests.trajectory.estimators import MAKERS, NUM_FITTED, NUM_RECORDS, make_run

QUICK = "--xla_backend_optimization_level=0"  # most of the time is compiling


@pytest.fixture(scope="module")
def run():
    return make_run()


@pytest.fixture(scope="module")
def estimators(run):
    """All estimators, compiled: that is quicker than op by op."""
    return {name: compiled(make(run)) for name, make in MAKERS.items()}


def compiled(estimator):
    return estimator._replace(
        update=jax.jit(estimator.update), params=jax.jit(estimator.params)
    )


@pytest.fixture(params=MAKERS)
def estimator(request, estimators):
    return estimators[request.param]


@pytest.fixture
def new_records(run):
    """The records that come after those that online CMD has fitted."""
    return [run[record] for record in range(NUM_FITTED, NUM_RECORDS)]


def follow(estimator, params, records):
    state = estimator.init(params)
    for record in records:
        state = estimator.update(state, record)
    return state


def assert_close(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        wide = np.complex128 if np.iscomplexobj(one) else np.float64
        one, other = np.asarray(one, wide), np.asarray(other, wide)
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=2e-6)


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("name", MAKERS)
def test_compiled_once_and_donated_it_does_the_same(name, run, new_records):
    estimator, traces = MAKERS[name](run), []

    def update(state, params):
        traces.append(params)
        return estimator.update(state, params)

    compiled = jax.jit(update, donate_argnums=0)
    state = estimator.init(run[NUM_FITTED - 1])
    for record in new_records[:4]:
        state = compiled(state, record)
    expected = follow(estimator, run[NUM_FITTED - 1], new_records[:4])
    assert_close(state, expected)
    assert_close(jax.jit(estimator.params)(state), estimator.params(expected))
    assert len(traces) == 1


def test_donation_spares_what_it_was_given(estimator, run, new_records):
    params = jax.tree.map(jnp.asarray, run[NUM_FITTED - 1])
    update = jax.jit(estimator.update, donate_argnums=0)
    before = estimator.params(estimator.init(params))
    state = update(estimator.init(params), params)
    update(state, jax.tree.map(jnp.asarray, new_records[0]))
    assert_equal(params, run[NUM_FITTED - 1])
    assert_equal(estimator.params(estimator.init(params)), before)


def test_goes_on_from_a_checkpoint_as_if_nothing_had_been(
    estimator, run, new_records, tmp_path
):
    update = estimator.update
    state = update(estimator.init(run[NUM_FITTED - 1]), new_records[0])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, state)
    restored = checkpoints.restore(1, estimator.init(run[0]))
    for record in new_records[1:]:
        state, restored = update(state, record), update(restored, record)
    assert_equal(restored, state)


@pytest.mark.parametrize("name", MAKERS)
def test_seeds_are_mapped_over(name, new_records):
    runs = [make_run(seed) for seed in range(3)]
    estimators = [compiled(MAKERS[name](run)) for run in runs]
    states = [e.init(r[NUM_FITTED - 1]) for e, r in zip(estimators, runs, strict=True)]
    stack = lambda *leaves: jnp.stack(leaves)  # noqa: E731
    mapped = jax.tree.map(stack, *states)
    update = jax.jit(jax.vmap(estimators[0].update))
    for record in range(NUM_FITTED, NUM_RECORDS):
        params = jax.tree.map(stack, *[run[record] for run in runs])
        mapped = update(mapped, params)
    found = jax.vmap(estimators[0].params)(mapped)
    for number, (estimator, run) in enumerate(zip(estimators, runs, strict=True)):
        records = [run[record] for record in range(NUM_FITTED, NUM_RECORDS)]
        expected = estimator.params(follow(estimator, run[NUM_FITTED - 1], records))
        assert_close(jax.tree.map(lambda leaf, n=number: leaf[n], found), expected)


def test_is_what_scan_carries(estimator, run, new_records):
    state = estimator.init(run[NUM_FITTED - 1])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *new_records)
    step = lambda state, params: (estimator.update(state, params), None)  # noqa: E731
    scanned, _ = jax.lax.scan(step, state, stacked)
    expected = follow(estimator, run[NUM_FITTED - 1], new_records)
    assert_close(estimator.params(scanned), estimator.params(expected))


def test_estimates_are_like_the_params_and_carry_other_leaves(
    estimator, run, new_records
):
    state = estimator.init(run[NUM_FITTED - 1])
    for record in [run[NUM_FITTED - 1], *new_records]:
        estimate = estimator.params(state)
        shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), estimate)
        assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), record)
        state = estimator.update(state, record)
        assert estimator.params(state)["count"] == record["count"]


def test_init_is_no_record(estimators, run, new_records):
    last, far = run[NUM_FITTED - 1], jax.tree.map(lambda leaf: leaf + 7, run[0])
    for estimator in estimators.values():
        found = follow(estimator, far, new_records)
        expected = follow(estimator, last, new_records)
        assert_equal(estimator.params(found), estimator.params(expected))
    for name in ("ema", "lawa", "swa", "swa_late"):
        assert_equal(estimators[name].params(estimators[name].init(far)), far)


def test_masked_leaves_are_carried(estimators, run, new_records):
    estimator = estimators["online_masked"]
    state = follow(estimator, run[NUM_FITTED - 1], new_records)
    assert_equal(estimator.params(state)["dense"], new_records[-1]["dense"])
    assert state.moments["dense"] == [None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {**p, "bias": p["bias"][:-1]}, r"'bias' is float32\[7\] in the giv"),
        (lambda p: {**p, "more": p["bias"]}, r"'more' is .* and missing in the estim"),
        (lambda p: {**p, "dense": p["dense"][:1]}, r"leaf 'dense/1' is missing in"),
        (lambda p: {**p, "scale": np.int32(1)}, r"'scale' is int32\[\] .* float32\[\]"),
        (lambda p: {**p, "dense": tuple(p["dense"])}, "give them the same node types"),
    ],
)
def test_parameters_of_another_network_are_refused(
    estimator, run, new_records, change, message
):
    state = estimator.init(run[NUM_FITTED - 1])
    with pytest.raises(ValueError, match=message):
        estimator.update(state, change(new_records[0]))


def test_parameters_of_another_network_are_refused_at_init(estimators, run):
    for estimator in (e for name, e in estimators.items() if "on" in name):
        with pytest.raises(ValueError, match="leaf 'bias' is missing in the given"):
            estimator.init({"dense": run[0]["dense"]})


def test_a_state_of_another_number_of_modes_is_not_restored(run, tmp_path):
    few, many = (
        modes.online(
            modes.decompose(
                run, num_modes=num_modes, num_samples=9, key=jax.random.key(0)
            )
        ).init(run[0])
        for num_modes in (2, 3)
    )
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, few)
    message = r"'references/last' has shape \(2,\), expected \(3,\)"
    with pytest.raises(ValueError, match=message):
        checkpoints.restore(1, many)


def test_devices_change_nothing_but_rounding(
    estimators, run, new_records, repository, tmp_path
):
    script = pathlib.Path(__file__).with_name("estimators.py")
    subprocess.run(
        [sys.executable, str(script), str(tmp_path / "eight.npz")],
        check=True,
        env={**os.environ, "PYTHONPATH": str(repository), "XLA_FLAGS": QUICK},
    )
    eight = np.load(tmp_path / "eight.npz")
    expected = {
        name: estimator.params(follow(estimator, run[NUM_FITTED - 1], new_records))
        for name, estimator in estimators.items()
    }
    names, leaves = trees.leaf_names(expected), jax.tree.leaves(expected)
    assert set(names) == set(eight.files)
    for name, leaf in zip(names, leaves, strict=True):
        expected = np.asarray(leaf, np.float32)
        np.testing.assert_allclose(eight[name], expected, rtol=2e-6, atol=2e-6)
