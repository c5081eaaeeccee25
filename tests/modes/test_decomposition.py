"""Post-hoc CMD against brute force in float64, and the invariances of its model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.trajectory import Trajectory, TrajectoryWriter

KEY = jax.random.key(0)


def _walks(num_records=21, num_weights=600, seed=0, ratio=0.0):
    """Random walks, each around a mean of `ratio` standard deviations."""
    rng = np.random.default_rng(seed)
    walks = rng.normal(size=(num_records, num_weights)).cumsum(axis=0)
    walks = walks - walks.mean(axis=0)
    walks += ratio * walks.std(axis=0) * rng.choice([-1, 1], num_weights)
    return walks.astype(np.float32)


def _network(weights):
    """The columns of `weights` as the leaves of a small network."""
    records, number = weights.shape
    third = number // 3
    return Trajectory(
        {
            "dense": {
                "bias": weights[:, :third],
                "kernel": weights[:, third:].reshape(records, 2, -1),
            }
        },
        np.arange(records),
    )


def _flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def _decompose(trajectory, **options):
    return modes.decompose(
        trajectory, **({"num_modes": 5, "num_samples": 200, "key": KEY} | options)
    )


def _brute_force(weights, references):
    """Labels, slopes, intercepts and R² by least squares in float64."""
    exact = weights.astype(np.float64)
    central = exact - exact.mean(axis=0)
    reference = central[:, references]
    covariance = reference.T @ central
    norms = np.linalg.norm(reference, axis=0)
    correlation = covariance / norms[:, None] / np.linalg.norm(central, axis=0)
    labels = np.abs(correlation).argmax(axis=0)
    column = np.arange(weights.shape[1])
    slope = covariance[labels, column] / norms[labels] ** 2
    intercept = exact.mean(axis=0) - slope * exact[:, references].mean(axis=0)[labels]
    return labels, slope, intercept, correlation[labels, column] ** 2


@pytest.mark.parametrize("ratio", [0.0, 100.0, 1e4])
def test_the_fit_is_least_squares_of_every_weight(ratio):
    weights = _walks(ratio=ratio)
    fit = _decompose(_network(weights))
    labels, _, _, r_squared = _brute_force(weights, fit.references)
    found = _flat(fit.labels)
    assert np.mean(found == labels) > 0.999
    exact = weights.astype(np.float64)
    references = exact[:, fit.references][:, found]
    motion = exact.std(axis=0)
    for record in (0, 7, -1):
        centred = references[record] - references.mean(axis=0)
        deviation = references - references.mean(axis=0)
        slope = (deviation * exact).sum(axis=0) / (deviation**2).sum(axis=0)
        expected = exact.mean(axis=0) + slope * centred
        rebuilt = _flat(modes.reconstruct(fit, record=record))
        ulp = np.spacing(np.abs(weights[record]))
        assert np.all(np.abs(rebuilt - expected) <= 1e-5 * motion * 21 + 2 * ulp)
    np.testing.assert_allclose(fit.mean_r_squared, r_squared.mean(), rtol=1e-4)
    expected = np.sqrt(r_squared).mean()
    np.testing.assert_allclose(fit.mean_correlation, expected, rtol=1e-4)


def test_slopes_and_intercepts_are_least_squares():
    weights = _walks()
    fit = _decompose(_network(weights))
    labels, slope, intercept, r_squared = _brute_force(weights, fit.references)
    np.testing.assert_array_equal(_flat(fit.labels), labels)
    np.testing.assert_allclose(_flat(fit.slope), slope, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(_flat(fit.intercept), intercept, rtol=1e-4, atol=1e-4)
    for leaf, part in enumerate(np.split(np.arange(600), [200])):
        for mode in range(5):
            inside = part[labels[part] == mode]
            assert fit.counts[leaf, mode] == len(inside)
            mean = r_squared[inside].mean() if len(inside) else 0
            np.testing.assert_allclose(fit.r_squared[leaf, mode], mean, rtol=1e-4)


def test_references_and_constant_weights_come_back_exactly():
    weights = _walks(ratio=1e3)
    weights[:, 10] = 0.1
    fit = _decompose(_network(weights))
    assert 10 not in fit.samples
    for record in range(21):
        rebuilt = _flat(modes.reconstruct(fit, record=record))
        np.testing.assert_array_equal(
            rebuilt[fit.references], weights[record, fit.references]
        )
        assert rebuilt[10] == np.float32(0.1)
    np.testing.assert_array_equal(_flat(fit.slope)[fit.references], 1)
    np.testing.assert_array_equal(_flat(fit.intercept)[fit.references], 0)
    assert (_flat(fit.labels)[10], _flat(fit.slope)[10]) == (0, 0)
    assert _flat(fit.constant).tolist().index(True) == 10
    assert fit.num_constant == 1


@pytest.mark.parametrize("method", ["k_medoids", "hierarchical"])
def test_planted_modes_are_recovered(method):
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(40, 4)).cumsum(axis=0)
    planted = rng.integers(0, 4, 600)
    slope = rng.choice([-1, 1], 600) * rng.uniform(0.5, 2, 600)
    weights = hidden[:, planted] * slope + rng.normal(size=600)
    weights += 0.01 * rng.normal(size=weights.shape)
    fit = _decompose(
        _network(weights.astype(np.float32)), num_modes=4, method=method, num_restarts=3
    )
    found = _flat(fit.labels)
    pairs = {(int(a), int(b)) for a, b in zip(found, planted, strict=True)}
    assert len(pairs) == 4
    assert fit.mean_r_squared > 0.99
    signs = np.sign(_flat(fit.slope) * slope)
    for mode in range(4):
        assert len(set(signs[found == mode].tolist())) == 1


def test_scaling_a_reference_leaves_the_reconstruction():
    weights = _walks()
    fit = _decompose(_network(weights))
    scaled = weights.copy()
    scaled[:, fit.references] *= 4  # a power of two: exact in float32
    again = modes.fit_references(_network(scaled), fit.references)
    others = np.setdiff1d(np.arange(600), fit.references)
    np.testing.assert_array_equal(_flat(again.labels), _flat(fit.labels))
    slope = _flat(fit.slope)[others]
    np.testing.assert_allclose(4 * _flat(again.slope)[others], slope, rtol=1e-5)
    np.testing.assert_allclose(
        _flat(again.intercept)[others], _flat(fit.intercept)[others], atol=1e-5
    )


def test_adding_a_constant_to_a_weight_changes_its_intercept_only():
    weights = _walks()
    fit = _decompose(_network(weights))
    weight = np.setdiff1d(np.arange(600), fit.references)[17]
    moved = weights.copy()
    moved[:, weight] += 8
    again = modes.fit_references(_network(moved), fit.references)
    difference = _flat(again.intercept) - _flat(fit.intercept)
    np.testing.assert_allclose(difference[weight], 8, rtol=1e-5)
    assert np.count_nonzero(np.delete(difference, weight)) == 0
    np.testing.assert_allclose(
        _flat(again.slope)[weight], _flat(fit.slope)[weight], rtol=1e-4
    )


def test_permuting_weights_and_references_permutes_the_fit():
    weights = _walks()
    references = np.array([3, 70, 400])
    order = np.random.default_rng(2).permutation(600)
    fit = modes.fit_references(_network(weights), references)
    permuted = modes.fit_references(
        _network(weights[:, order]), order.argsort()[references]
    )
    np.testing.assert_array_equal(_flat(permuted.labels), _flat(fit.labels)[order])
    np.testing.assert_allclose(
        _flat(permuted.slope), _flat(fit.slope)[order], rtol=1e-5, atol=1e-7
    )


def test_leaves_of_integers_and_masked_leaves_are_carried():
    weights = _walks(num_weights=300)
    trajectory = Trajectory(
        {"a": weights, "b": weights[:, :5] + 1, "n": np.arange(42).reshape(21, 2)},
        np.arange(21),
    )
    fit = _decompose(trajectory, mask={"a": True, "b": False, "n": True})
    assert set(fit.carried) == {"b", "n"}
    rebuilt = modes.reconstruct(fit, record=3)
    np.testing.assert_array_equal(rebuilt["b"], weights[-1, :5] + 1)
    np.testing.assert_array_equal(rebuilt["n"], [40, 41])
    assert rebuilt["n"].dtype == jnp.asarray(np.arange(2)).dtype
    assert fit.counts[1:].sum() == 0
    assert np.all(fit.references < 300)


def test_a_stored_trajectory_gives_the_same_as_one_in_memory(tmp_path):
    trajectory = _network(_walks())
    writer = TrajectoryWriter.create(tmp_path / "t", trajectory[0])
    for record in range(len(trajectory)):
        writer.append(record, trajectory[record])
    stored = _decompose(Trajectory.open(tmp_path / "t"))
    jax.tree.map(np.testing.assert_array_equal, stored, _decompose(trajectory))


def test_jax_arrays_and_numpy_arrays_give_the_same():
    trajectory = _network(_walks())
    on_device = jax.tree.map(jnp.asarray, trajectory)
    jax.tree.map(
        np.testing.assert_array_equal, _decompose(on_device), _decompose(trajectory)
    )


def test_the_key_decides_and_nothing_else():
    trajectory = _network(_walks())
    first, again = _decompose(trajectory), _decompose(trajectory)
    other = _decompose(trajectory, key=jax.random.key(1))
    np.testing.assert_array_equal(first.samples, again.samples)
    np.testing.assert_array_equal(first.references, again.references)
    assert not np.array_equal(first.samples, other.samples)


def test_random_references_are_weights_that_move():
    weights = _walks()
    weights[:, :200] = 1
    fit = _decompose(_network(weights), method="random_references", num_modes=50)
    assert len(set(fit.references.tolist())) == 50
    assert fit.references.min() >= 200


def test_hierarchical_may_find_fewer_modes():
    line = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    weights = line * np.arange(1, 13, dtype=np.float32)
    fit = _decompose(
        _network(weights), num_modes=4, num_samples=12, method="hierarchical"
    )
    assert len(fit.references) < 4
    assert fit.counts.shape[1] == len(fit.references)


def test_a_constant_reference_gives_the_mean():
    weights = _walks(num_weights=30)
    weights[:, 4] = 2
    fit = modes.fit_references(_network(weights), np.array([4]))
    np.testing.assert_array_equal(_flat(fit.slope), 0)
    np.testing.assert_allclose(_flat(fit.intercept), weights.mean(axis=0), atol=1e-5)


def _spoiled(value):
    weights = _walks()
    weights[13, 456] = value
    return _network(weights)


@pytest.mark.parametrize(
    ("trajectory", "options", "message"),
    [
        (_network(_walks(2)), {}, "there are 2 records"),
        (_network(_walks()), {"num_modes": 0}, "num_modes is 0"),
        (_network(_walks()), {"num_modes": 201}, "num_modes is 201"),
        (_network(_walks()), {"num_modes": 256, "num_samples": 600}, "at most 255"),
        (_network(_walks()), {"num_samples": 601}, "num_samples is 601"),
        (_network(_walks()), {"num_samples": 0}, "num_samples is 0"),
        (_network(_walks()), {"num_restarts": 0}, "num_restarts is 0"),
        (_network(_walks()), {"num_restarts": 10**9}, "allowed are 1 to 10000"),
        (_network(_walks()), {"method": "k_medoid"}, "did you mean 'k_medoids'"),
        (_network(_walks()), {"mask": {"conv": True}}, "prefix"),
        (_network(np.ones((5, 600), np.float32)), {}, "all weights are constant"),
        (
            _spoiled(np.nan),
            {"num_samples": 600},
            r"'dense/kernel' holds nan at record 13",
        ),
        (
            _spoiled(np.nan),
            {"num_samples": 5},
            r"'dense/kernel' holds nan at record 13",
        ),
        (
            _spoiled(np.inf),
            {"num_samples": 5},
            r"'dense/kernel' holds inf at record 13",
        ),
    ],
)
def test_what_is_refused(trajectory, options, message):
    with pytest.raises(ValueError, match=message):
        _decompose(trajectory, **options)


def test_a_record_that_is_not_there_is_refused():
    fit = _decompose(_network(_walks()))
    with pytest.raises(ValueError, match="record is 21; allowed are -21 to 20"):
        modes.reconstruct(fit, record=21)
