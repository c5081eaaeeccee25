"""GMT, FGMT, Naive and Oracle: planted permutations, equalities, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory
from cmd_jax.transfer import (
    PermutationGroups,
    identity,
    oracle,
    permute,
    random_permutation,
    step_shares,
    transfer,
)
from cmd_jax.transfer.gradients import make_gradient

WIDTHS = (6, 12, 8, 3)
NUM_STEPS = 3


@pytest.fixture
def groups(mlp_groups):
    return mlp_groups(WIDTHS)


@pytest.fixture
def batches(make_batches):
    return make_batches(NUM_STEPS, WIDTHS)


@pytest.fixture
def source(mlp, train, batches):
    batch = {name: leaf[0, 0] for name, leaf in batches.items()}
    return Trajectory.stack(train(mlp(WIDTHS), batch, steps=NUM_STEPS))


@pytest.fixture
def run(source, groups, objective, batches, mlp, key):
    """`run(method, **changes)`: a transfer to an unrelated initialisation."""

    def call(method, **changes):
        arguments = {
            "source": source,
            "target_init": mlp(WIDTHS, seed=1),
            "groups": groups,
            "objective": objective,
            "batches": batches,
            "num_steps": NUM_STEPS,
            "key": key,
        }
        return transfer(**{**arguments, **changes}, method=method)

    return call


def arrays(permutation):
    return [np.asarray(p).tolist() for p in permutation]


def assert_close(one, other):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one, other
    )


@pytest.mark.parametrize("method", ["fgmt", "gmt"])
def test_a_permuted_initialisation_becomes_the_permuted_trained_network(
    run, source, groups, key, method
):
    planted = random_permutation(groups, key=key)
    result = run(method, target_init=permute(groups, planted, source[0]))
    assert [arrays(p) for p in result.permutations] == [arrays(planted)] * NUM_STEPS
    assert_close(result.params(NUM_STEPS), permute(groups, planted, source[-1]))
    assert all(matching.converged for matching in result.matchings)


def test_the_oracle_finds_the_permutation_of_a_trained_target(source, groups, key):
    planted = random_permutation(groups, key=key)
    target = Trajectory.stack(
        [permute(groups, planted, source[record]) for record in range(len(source))]
    )
    result = oracle(source, target, groups, num_steps=NUM_STEPS)
    assert arrays(result.permutations[0]) == arrays(planted)
    assert_close(result.params(NUM_STEPS), target[-1])


def test_both_are_the_same_in_one_step(run, batches):
    fast, full = (run(method, num_steps=1) for method in ("fgmt", "gmt"))
    assert arrays(fast.permutations[0]) == arrays(full.permutations[0])
    assert arrays(fast.permutations[0]) != arrays(identity(fast.groups))


def test_gmt_takes_earlier_pairs_anew_and_fgmt_does_not(run):
    fast, full = run("fgmt"), run("gmt")
    assert arrays(fast.permutations[0]) == arrays(full.permutations[0])
    ends = [matching.objective[-1] for matching in (*fast.matchings, *full.matchings)]
    assert ends[0] == ends[3] and ends[2] != ends[5]


def test_the_end_of_naive_is_the_sum_whatever_the_path(run, source, mlp):
    expected = jax.tree.map(
        lambda start, first, last: start + (last - first),
        mlp(WIDTHS, seed=1),
        source[0],
        source[-1],
    )
    for options in ({"shares": "cosine"}, {"path": "recorded"}, {}):
        assert_close(run("naive", **options).params(NUM_STEPS), expected)


def test_a_step_has_its_own_permutation_and_the_whole_the_last(run, source, mlp):
    result, start = run("fgmt", shares="cosine"), mlp(WIDTHS, seed=1)
    shares = [0, *step_shares("cosine", NUM_STEPS)]
    whole = result.materialise()
    assert whole.steps.tolist() == [0, 1, 2, 3]
    displacement = jax.tree.map(lambda a, b: a - b, source[-1], source[0])
    for t, share in enumerate(shares):
        for permutation, found in (
            (result.permutations[max(t - 1, 0)], result.params(t)),
            (result.permutations[-1], whole[t]),
        ):
            moved = permute(result.groups, permutation, displacement)
            assert_close(
                found, jax.tree.map(lambda w, d, a=share: w + a * d, start, moved)
            )
    with pytest.raises(IndexError, match="step 4 of a transfer of 3"):
        result.params(4)


def test_a_recorded_path_passes_through_the_records(run, source, groups, key):
    planted = random_permutation(groups, key=key)
    with pytest.warns(UserWarning, match="recorded path"):
        result = run(
            "fgmt", path="recorded", target_init=permute(groups, planted, source[0])
        )
    for t in range(NUM_STEPS + 1):
        assert_close(result.params(t), permute(groups, planted, source[t]))


def test_a_function_draws_a_batch_for_every_pair(run, batches):
    drawn = []

    def draw(s, t):
        drawn.append((s, t))
        return {name: leaf[t - 1] for name, leaf in batches.items()}

    result = run("gmt", batches=draw)
    pairs = [(s, t) for s in (1, 2, 3) for t in range(1, s + 1)]
    assert drawn[1:] == pairs  # the first is looked at for its shapes
    kept = run("gmt")
    assert [*map(arrays, result.permutations)] == [*map(arrays, kept.permutations)]


def test_gradients_of_the_source_are_shared(run):
    known = {}
    first = run("fgmt", source_gradients=known)
    assert sorted(known) == [1, 2, 3]
    full = run("gmt", source_gradients=known)
    assert arrays(first.permutations[0]) == arrays(full.permutations[0])
    zeros = {t: jax.tree.map(jnp.zeros_like, leaves) for t, leaves in known.items()}
    none = run("fgmt", source_gradients=zeros)
    assert arrays(none.permutations[-1]) == arrays(identity(none.groups))


def test_micro_batches_give_the_gradient_of_the_whole(mlp, objective, batches, key):
    batch = {name: leaf[0] for name, leaf in batches.items()}
    whole = {name: leaf.reshape(1, -1, leaf.shape[-1]) for name, leaf in batch.items()}
    gradient = make_gradient(objective, {}, key=key)
    params = jax.tree.map(jnp.asarray, mlp(WIDTHS))
    assert_close(gradient(params, batch, 1), gradient(params, whole, 1))


def test_another_head_stays_as_it_is(run, mlp, make_batches, key):
    other = mlp((6, 12, 8, 5), seed=1)

    def objective(params, state, batch, key):
        del key
        x = batch["x"]
        for n in range(3):
            x = (jnp.tanh(x) if n else x) @ params[str(n)]
        return (x**2).mean(), (state, {})

    result = run("fgmt", target_init=other, objective=objective)
    assert result.left_out == ("2",)
    assert_close(result.params(NUM_STEPS)["2"], other["2"])
    assert np.abs(result.params(NUM_STEPS)["0"] - other["0"]).max() > 0


def test_without_groups_it_says_so_and_is_naive(run):
    with pytest.warns(UserWarning, match="no permutation groups"):
        result = run("gmt", groups=PermutationGroups(()))
    assert_close(result.params(2), run("naive").params(2))
    assert result.matchings == ()


def test_refuses_what_is_no_transfer(run, source, mlp, batches):
    few = {name: leaf[:2] for name, leaf in batches.items()}
    for change, message in (
        ({"source": source[:1]}, "the source has 1 record"),
        ({"batches": few}, r"shapes \[\(2, 2, 16, 6\).*3 or more, micro, batch"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"shares": "cosin"}, "did you mean 'cosine'"),
        ({"shares": [0.5, 0.2, 1]}, "3 numbers that never fall"),
        ({"shares": [0.5, 0.7, 0.9]}, "3 numbers that never fall"),
        ({"path": "straight"}, "unknown path 'straight'.*linear, recorded"),
        ({"path": "recorded", "num_steps": 2}, "has 4 records.*needs 3"),
        ({"path": "recorded", "shares": "cosine"}, "no use for"),
        ({"target_init": mlp((6, 11, 8, 3))}, "equal widths"),
    ):
        with pytest.raises(ValueError, match=message):
            run("fgmt", **change)
    with pytest.raises(ValueError, match=r"unknown method 'fgm' .did you mean 'fgmt'"):
        run("fgm")


def test_refuses_a_loss_that_is_no_scalar(run):
    def objective(params, state, batch, key):
        del key
        return (batch["x"] @ params["0"]).sum(axis=1), (state, {})

    with pytest.raises(ValueError, match=r"loss of shape \(16,\)"):
        run("fgmt", objective=objective)


@pytest.mark.parametrize("network", ["target", "source"])
def test_a_gradient_that_is_not_finite_is_named(run, batches, source, mlp, network):
    """Only one of the networks meets a NaN, and only in the second step."""
    zeros = jax.tree.map(np.zeros_like, source[0])
    marked = {name: leaf.copy() for name, leaf in batches.items()}
    marked["x"][1, 0, 0, 0] = 1e30

    def objective(params, state, batch, key):
        del key
        bad = (batch["x"].max() > 1e20) & (jnp.abs(params["0"]).sum() == 0)
        squares = sum((leaf**2).sum() for leaf in params.values())
        return jnp.where(bad, jnp.nan, 1.0) * squares, (state, {})

    changes = {
        "target": {
            "source": Trajectory.stack([source[0], source[0]]),
            "target_init": zeros,
        },
        "source": {"source": Trajectory.stack([zeros, zeros])},
    }
    with pytest.raises(FloatingPointError, match=f"leaf '0' of the {network} at t = 2"):
        run("fgmt", objective=objective, batches=marked, **changes[network])
