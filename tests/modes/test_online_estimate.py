import jax
import numpy as np
import pytest

from cmd_jax import modes, trees
from cmd_jax.trajectory import Trajectory

NUM_FITTED = 21


def ravel(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.fixture
def make_history():
    """Histories [records, weights] around `size` times their motion, float32."""

    def make(kind, num_records, size, num_weights=300):
        generator = np.random.default_rng(0)
        noise = generator.standard_normal((num_records, num_weights))
        drift = np.linspace(0, 4, num_records)[:, None]
        rates = generator.standard_normal(num_weights)
        motion = {
            "random walk": noise.cumsum(axis=0),
            "drift and noise": drift * rates + noise,
            "white noise": noise,
        }[kind]
        signs = generator.choice([-1.0, 1.0], num_weights)
        return (motion + size * signs * motion.std(axis=0)).astype(np.float32)

    return make


@pytest.fixture
def decompose(key):
    def call(trajectory, **options):
        chosen = {"num_modes": 5, "num_samples": 60, "key": key, **options}
        return modes.decompose(trajectory, **chosen)

    return call


def follow(estimator, state, history):
    """The state after all records of a pytree with leading axes."""
    scan = lambda s, h: jax.lax.scan(lambda *x: (estimator.update(*x), None), s, h)[0]  # noqa: E731
    return jax.jit(scan)(state, history)


def online_fit(decomposition, trajectory, **options):
    """What online CMD estimates at the end of a trajectory."""
    estimator = modes.online(decomposition, **options)
    num_fitted = len(decomposition.steps)
    state = estimator.init(trajectory[num_fitted - 1])
    state = follow(estimator, state, trajectory[num_fitted:].params)
    return ravel(jax.jit(estimator.params)(state))


def weighted_fit(history, decomposition, weights=None):
    """The estimate at the last record by least squares in float64."""
    exact = history.astype(np.float64)
    weights = np.ones(len(exact)) if weights is None else weights
    weights = (weights / weights.sum())[:, None]
    references = exact[:, decomposition.references]
    centred = references - (weights * references).sum(axis=0)
    spread = (weights * centred**2).sum(axis=0)
    labels = ravel(decomposition.labels)
    slope = (weights * centred[:, labels] * exact).sum(axis=0) / spread[labels]
    return (weights * exact).sum(axis=0) + slope * centred[-1, labels]


def assert_is_fit(found, expected, history):
    """To 1e-5 of a weight's motion and one ulp of the weight."""
    allowed = 1e-5 * history.astype(np.float64).std(axis=0)
    allowed += np.spacing(np.abs(history).max(axis=0))
    assert (np.abs(found - expected) <= allowed).all()


@pytest.mark.parametrize("num_records", [150, 1500])
@pytest.mark.parametrize("size", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("kind", ["random walk", "drift and noise", "white noise"])
def test_is_the_least_squares_fit_of_all_records(
    make_history, as_tree, decompose, kind, size, num_records
):
    history = make_history(kind, num_records, size)
    trajectory = as_tree(history)
    decomposition = decompose(trajectory[:NUM_FITTED])
    found = online_fit(decomposition, trajectory)
    assert_is_fit(found, weighted_fit(history, decomposition), history)


@pytest.mark.parametrize("forgetting", [0.5, 0.97])
def test_forgetting_weighs_the_records(make_history, as_tree, decompose, forgetting):
    history = make_history("random walk", 150, 1e2)
    trajectory = as_tree(history)
    decomposition = decompose(trajectory[:NUM_FITTED])
    found = online_fit(decomposition, trajectory, forgetting=forgetting)
    age = np.minimum(np.arange(150)[::-1], 150 - NUM_FITTED)
    expected = weighted_fit(history, decomposition, forgetting**age)
    assert_is_fit(found, expected, history)


def test_is_a_weighted_mean_of_the_records(make_history, as_tree, decompose):
    history = make_history("random walk", 60, 3.0)
    trajectory = as_tree(history)
    decomposition = decompose(trajectory[:NUM_FITTED])
    centred = history[:, decomposition.references].astype(np.float64)
    centred -= centred.mean(axis=0)
    weights = 1 / 60 + centred[-1] * centred / (centred**2).sum(axis=0)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    np.testing.assert_allclose((weights**2).sum(axis=0), weights[-1])
    expected = (weights[:, ravel(decomposition.labels)] * history).sum(axis=0)
    assert_is_fit(online_fit(decomposition, trajectory), expected, history)


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("method", ["k_medoids", "random_references"])
def test_begins_where_the_decomposition_ends(
    make_walks, as_tree, decompose, size, method
):
    history = make_walks(30, 300, size=size)
    history[:, 5] = 0.1
    trajectory = as_tree(history)
    decomposition = decompose(trajectory, method=method)
    estimator = modes.online(decomposition)
    found = ravel(estimator.params(estimator.init(trajectory[-1])))
    expected = ravel(modes.reconstruct(decomposition))
    motion = 2e-6 * history.std(axis=0) + np.spacing(np.abs(expected))
    assert (np.abs(found - expected) <= motion).all()
    exact = [5, *decomposition.references]
    np.testing.assert_array_equal(found[exact], history[-1, exact])


@pytest.mark.parametrize("size", [0.0, 1e4])
def test_references_are_exact_all_along(make_walks, as_tree, decompose, size):
    trajectory = as_tree(make_walks(40, 300, size=size))
    decomposition = decompose(trajectory[:10])
    found = online_fit(decomposition, trajectory)
    references = decomposition.references
    np.testing.assert_array_equal(found[references], ravel(trajectory[-1])[references])


def test_a_weight_that_first_moves_later_is_fitted_then(make_walks, as_tree, decompose):
    history = make_walks(60, 300)
    history[:30, 7] = 3.0
    trajectory = as_tree(history)
    decomposition = decompose(trajectory[:NUM_FITTED])
    assert ravel(decomposition.constant)[7]
    found = online_fit(decomposition, trajectory)
    assert_is_fit(found, weighted_fit(history, decomposition), history)


def test_a_reference_that_stands_still_gives_the_plain_mean(make_walks, decompose):
    history = make_walks(40, 50)
    decomposition = decompose(Trajectory(history[:10], np.arange(10)), num_samples=20)
    still = decomposition._replace(
        reference_history=np.full_like(decomposition.reference_history, 2.0),
        slope=np.zeros(50, np.float32),
    )
    history[10:, decomposition.references] = 2.0
    found = online_fit(still, Trajectory(history, np.arange(40)))
    expected = history.mean(axis=0, dtype=np.float64)
    free = np.delete(np.arange(50), decomposition.references)
    np.testing.assert_allclose(found[free], expected[free], rtol=1e-5, atol=1e-5)


def test_the_scale_of_a_reference_does_not_matter(make_walks, decompose):
    history = make_walks(40, 50)
    decomposition = decompose(Trajectory(history[:10], np.arange(10)), num_samples=20)
    found = online_fit(decomposition, Trajectory(history, np.arange(40)))
    scaled, references = history.copy(), decomposition.references
    scaled[:, references] *= 8
    slope = decomposition.slope / 8
    slope[references] = 1
    other = decomposition._replace(
        reference_history=decomposition.reference_history * 8, slope=slope
    )
    again = online_fit(other, Trajectory(scaled, np.arange(40)))
    free = np.delete(np.arange(50), references)
    np.testing.assert_allclose(again[free], found[free], rtol=1e-5, atol=1e-5)


def test_takes_13_bytes_for_each_weight(make_walks, as_tree, decompose):
    trajectory = as_tree(make_walks(9, 3000))
    state = modes.online(decompose(trajectory)).init(trajectory[-1])
    num_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    scalars = 4 * (2 + 6 * 5)  # n, λ and six for each of 5 modes
    assert num_bytes == 13 * trees.count(trajectory.template) + scalars


@pytest.mark.parametrize("forgetting", [0.0, 1.5, float("nan")])
def test_a_forgetting_that_is_not_allowed(make_walks, as_tree, decompose, forgetting):
    decomposition = decompose(as_tree(make_walks(9, 300)))
    with pytest.raises(ValueError, match=f"forgetting is {forgetting}; allowed are"):
        modes.online(decomposition, forgetting=forgetting)
