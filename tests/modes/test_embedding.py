"""Embedded weights and the rule that embeds them, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import modes

NUM_MODES, WARMUP, EVERY = 3, 6, 4
RULE = modes.EmbeddingRule(
    warmup_records=WARMUP, every_records=EVERY, per_cent=20, criterion="coefficients"
)


@pytest.fixture
def fitted(as_tree, make_walks, key):
    """A history, and decomposition and online CMD of its records 0 ... t."""
    history = make_walks(20, 60, size=3.0)
    trajectory = as_tree(history)
    decomposition = modes.decompose(
        trajectory[: WARMUP + 1], num_modes=NUM_MODES, num_samples=40, key=key
    )
    estimator = modes.online(decomposition)
    update = jax.jit(estimator.update)

    def until(record):
        state = estimator.init(trajectory[0])
        for number in range(WARMUP + 1, record + 1):
            state = update(state, trajectory[number])
        return state

    return trajectory, history, decomposition, until


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def lines(history, decomposition):
    """a and b of each weight by least squares in float64."""
    exact = history.astype(np.float64)
    references = exact[:, decomposition.references][:, flat(decomposition.labels)]
    moved = references - references.mean(axis=0)
    slope = (moved * exact).sum(axis=0) / (moved**2).sum(axis=0)
    return slope, exact.mean(axis=0) - slope * references.mean(axis=0), references


def test_as_released_all_but_the_references_are_embedded_from_epoch_120_on():
    rule, size = modes.EmbeddingRule(), {"num_weights": 5000, "num_modes": 10}
    embedded = [rule.num_embedded(t, **size) for t in range(150)]
    assert embedded[29] == 0 and embedded[30] == 490
    assert embedded[119] < embedded[120] == embedded[149] == 4990
    assert np.mean(embedded) / 5000 == pytest.approx(0.5, abs=0.01)
    assert [t for t in range(150) if rule.is_due(t)] == list(range(30, 150, 10))


@pytest.mark.parametrize(("warmup", "every"), [(20, 10), (25, 10), (2, 3), (5, 1)])
def test_weights_are_embedded_exactly_where_a_round_is_due(warmup, every):
    rule = modes.EmbeddingRule(warmup, every, per_cent=1, of_remaining=True)
    count = [rule.num_embedded(t, num_weights=10**4, num_modes=2) for t in range(60)]
    rounds = [t for t in range(1, 60) if count[t] > count[t - 1]]
    assert rounds == [t for t in range(60) if rule.is_due(t)]


def test_of_what_is_left_less_is_embedded_each_time():
    rule = modes.EmbeddingRule(2, 1, per_cent=50, of_remaining=True)
    count = [rule.num_embedded(t, num_weights=80, num_modes=4) for t in range(3, 6)]
    assert count == [36, 56, 66]


@pytest.mark.parametrize("criterion", modes.CRITERIA)
def test_the_weights_are_embedded_whose_fit_moved_least(fitted, criterion):
    trajectory, history, decomposition, until = fitted
    rule = RULE._replace(criterion=criterion)
    embedding = modes.begin_embedding(
        decomposition, trajectory[0], scaled=criterion == "relative"
    )
    before = lines(history[: WARMUP + 1], decomposition)[:2]
    chosen = np.zeros(60, bool)
    scale = history[: WARMUP + 1].astype(np.float64).std(axis=0)
    for record in (8, 12, 16):
        embedding = modes.embed_settled(embedding, until(record), rule, record=record)
        *after, references = lines(history[: record + 1], decomposition)
        slope, intercept = np.subtract(after, before)
        moved = np.hypot(slope, intercept)
        if criterion != "coefficients":
            moved = (references * slope + intercept).std(axis=0)
            bias = (references * slope + intercept).mean(axis=0)
            moved = np.hypot(moved, bias) / (scale if criterion == "relative" else 1)
        moved[chosen] = np.inf
        moved[decomposition.references] = np.inf
        expected = np.argsort(moved)[: 12 if record > 8 else 12 - NUM_MODES]
        chosen[expected] = True
        np.testing.assert_array_equal(flat(embedding.embedded), chosen)
        before = after
    assert embedding.num_embedded == 3 * 12 - NUM_MODES


def test_an_embedded_weight_is_its_line_of_the_round_at_its_reference(fitted):
    trajectory, history, decomposition, until = fitted
    start = modes.begin_embedding(decomposition, trajectory[0])
    first = modes.embed_settled(start, until(8), RULE, record=8)
    second = modes.embed_settled(first, until(12), RULE, record=12)
    found = flat(modes.follow_references(second, trajectory[19]))
    embedded = flat(first.embedded)
    expected = history[19].astype(np.float64)
    reference = expected[decomposition.references][flat(decomposition.labels)]
    for mask, records in ((embedded, 9), (flat(second.embedded) & ~embedded, 13)):
        slope, intercept, _ = lines(history[:records], decomposition)
        expected[mask] = (slope * reference + intercept)[mask]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_weights_far_larger_than_their_motion_keep_their_line(
    as_tree, make_planted, key
):
    history, _ = make_planted(12, 50, NUM_MODES)
    trajectory = as_tree(history + np.float32(1e4))
    decomposition = modes.decompose(
        trajectory, num_modes=NUM_MODES, num_samples=50, key=key
    )
    embedding = modes.begin_embedding(decomposition, trajectory[0])
    everything = jax.tree.map(lambda x: jnp.ones(x.shape, bool), embedding.embedded)
    embedding = embedding._replace(embedded=everything)
    for record in (0, 11):
        found = flat(modes.follow_references(embedding, trajectory[record]))
        np.testing.assert_allclose(found, flat(trajectory[record]), rtol=0, atol=5e-3)


def test_leaves_that_are_not_modelled_are_never_embedded(as_tree, make_walks, key):
    trajectory = as_tree(make_walks(12, 60))
    decomposition = modes.decompose(
        trajectory[:7],
        num_modes=2,
        num_samples=20,
        mask={"a": False, "b": True, "c": True},
        key=key,
    )
    estimator = modes.online(decomposition)
    state = estimator.update(estimator.init(trajectory[0]), trajectory[7])
    embedding = modes.begin_embedding(decomposition, trajectory[0])
    rule = modes.EmbeddingRule(WARMUP, 1, per_cent=100)
    embedding = modes.embed_settled(embedding, state, rule, record=7)
    assert not np.any(embedding.embedded["a"])
    assert embedding.num_embedded == 40 - 2
    np.testing.assert_array_equal(
        modes.follow_references(embedding, trajectory[9])["a"], trajectory[9]["a"]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_cent": 0.0}, "per_cent is 0.0; allowed are numbers above 0 and at most"),
        ({"per_cent": 100.5}, "per_cent is 100.5; allowed are numbers above 0"),
        ({"per_cent": -10.0}, "per_cent is -10.0"),
        ({"per_cent": float("nan")}, "per_cent is nan"),
        ({"every_records": 0}, "every_records is 0; it must be at least 1"),
        ({"warmup_records": 1}, "warmup_records is 1; it must be at least 2"),
        ({"criterion": "functions"}, "'functions' .did you mean 'function'"),
    ],
)
def test_a_rule_that_is_not_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        modes.EmbeddingRule(**options).check()
    modes.EmbeddingRule().check()
