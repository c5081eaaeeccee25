import itertools

import jax
import numpy as np
import pytest

from cmd_jax.modes.clustering import k_medoids


def random_distances(num_samples, seed=0, dimensions=2):
    points = np.random.default_rng(seed).standard_normal((num_samples, dimensions))
    return np.linalg.norm(points[:, None] - points[None], axis=-1).astype(np.float32)


def walk_dissimilarity(num_samples, num_records=21, seed=0):
    steps = np.random.default_rng(seed).standard_normal((num_records, num_samples))
    correlation = np.corrcoef(steps.cumsum(axis=0), rowvar=False)
    return (1 - np.abs(correlation)).clip(0).astype(np.float32)


def cost_of(dissimilarity, medoids):
    return np.float64(dissimilarity)[np.asarray(medoids)].min(axis=0).sum()


def lowest_cost(dissimilarity, num_modes):
    samples = range(len(dissimilarity))
    choices = itertools.combinations(samples, num_modes)
    return min(cost_of(dissimilarity, list(choice)) for choice in choices)


@pytest.mark.parametrize("num_modes", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(8))
def test_best_of_20_restarts_is_the_optimum(num_modes, seed, key):
    dissimilarity = random_distances(8, seed)
    result = k_medoids(dissimilarity, num_modes, 20, key=key)
    optimum = lowest_cost(dissimilarity, num_modes)
    np.testing.assert_allclose(result.cost, optimum, rtol=1e-5, atol=1e-6)


# 600 samples are more than one block of rows, and no multiple of it.
@pytest.mark.parametrize(
    ("num_samples", "num_modes"), [(12, 3), (90, 1), (90, 7), (600, 5)]
)
def test_no_single_swap_lowers_the_cost(num_samples, num_modes, key):
    dissimilarity = walk_dissimilarity(num_samples)
    result = k_medoids(dissimilarity, num_modes, key=key)
    assert result.converged
    medoids = np.asarray(result.medoids)
    for mode in range(num_modes):
        others = dissimilarity[np.delete(medoids, mode)]
        rest = others.min(axis=0, initial=np.inf)
        swapped = np.minimum(dissimilarity, rest).sum(axis=1, dtype=np.float64)
        assert swapped.min() >= float(result.cost) * (1 - 1e-6)


def test_as_good_as_the_rust_package(key):
    kmedoids = pytest.importorskip("kmedoids")
    dissimilarity = walk_dissimilarity(1000)
    theirs = min(
        kmedoids.fasterpam(dissimilarity, 10, random_state=seed, n_cpu=1).loss
        for seed in range(5)
    )
    ours = k_medoids(dissimilarity, 10, 5, key=key).cost
    assert abs(float(ours) / theirs - 1) < 0.01


def test_cost_and_labels_agree(key):
    dissimilarity = walk_dissimilarity(90)
    result = k_medoids(dissimilarity, 7, key=key)
    to_medoid = dissimilarity[np.asarray(result.medoids)[result.labels], np.arange(90)]
    np.testing.assert_array_equal(to_medoid, dissimilarity[result.medoids].min(axis=0))
    np.testing.assert_allclose(result.cost, to_medoid.sum(), rtol=1e-6)


def test_modes_are_numbered_by_decreasing_size(key):
    result = k_medoids(walk_dissimilarity(90), 7, key=key)
    sizes = np.bincount(result.labels, minlength=7)
    keys = list(zip(-sizes, np.asarray(result.medoids), strict=True))
    assert keys == sorted(keys)
    np.testing.assert_array_equal(np.asarray(result.labels)[result.medoids], range(7))


def test_equal_keys_give_equal_results():
    dissimilarity = random_distances(90)
    first, again, other = (
        k_medoids(dissimilarity, 7, key=jax.random.key(seed)) for seed in (3, 3, 4)
    )
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert first.num_swaps != other.num_swaps or first.cost != other.cost


def test_best_cost_does_not_depend_on_the_order_of_samples(key):
    dissimilarity = random_distances(40)
    order = np.random.default_rng(1).permutation(40)
    result = k_medoids(dissimilarity, 3, 20, key=key)
    permuted = k_medoids(dissimilarity[order][:, order], 3, 20, key=key)
    np.testing.assert_allclose(result.cost, permuted.cost, rtol=1e-6)
    assert set(order[permuted.medoids]) == set(np.asarray(result.medoids).tolist())


def test_planted_clusters_are_recovered(key):
    rng = np.random.default_rng(0)
    planted = rng.permutation(np.repeat(np.arange(4), [40, 30, 20, 10]))
    centres = 20.0 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    points = centres[planted] + rng.standard_normal((100, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.testing.assert_array_equal(k_medoids(distances, 4, 5, key=key).labels, planted)


@pytest.mark.parametrize("num_modes", [1, 3, 6])
def test_duplicates_are_handled(num_modes, key):
    result = k_medoids(np.zeros((6, 6)), num_modes, key=key)
    assert result.converged
    assert result.cost == 0
    assert len(set(np.asarray(result.medoids).tolist())) == num_modes
    assert set(np.asarray(result.labels).tolist()) == set(range(num_modes))


def test_as_many_modes_as_samples(key):
    result = k_medoids(random_distances(5), 5, key=key)
    assert result.cost == 0
    assert result.labels.tolist() == result.medoids.tolist() == [0, 1, 2, 3, 4]


def test_an_interrupted_search_says_so(key):
    result = k_medoids(random_distances(600), 5, max_sweeps=1, key=key)
    assert not result.converged


def test_works_under_jit(key):
    dissimilarity = random_distances(30)
    jitted = jax.jit(lambda d: k_medoids(d, 3, key=key))(dissimilarity)
    jax.tree.map(
        np.testing.assert_array_equal, jitted, k_medoids(dissimilarity, 3, key=key)
    )


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((3, 4), {}, r"dissimilarity has shape \(3, 4\).*square"),
        ((4, 4), {"num_modes": 0}, "num_modes is 0; allowed are 1 to 4"),
        ((4, 4), {"num_modes": 5}, "num_modes is 5; allowed are 1 to 4"),
        ((4, 4), {"num_restarts": 0}, "num_restarts is 0.*at least 1"),
        ((4, 4), {"max_sweeps": 0}, "max_sweeps is 0.*at least 1"),
    ],
)
def test_bad_arguments_are_named(shape, arguments, message, key):
    with pytest.raises(ValueError, match=message):
        k_medoids(np.ones(shape), **({"num_modes": 2} | arguments), key=key)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_entry_that_is_not_finite_is_located(value, key):
    dissimilarity = random_distances(5)
    dissimilarity[1, 3] = value
    with pytest.raises(ValueError, match=r"1 entries that are not finite.*\[1, 3\]"):
        k_medoids(dissimilarity, 2, key=key)


def test_finite_entries_whose_sum_overflows_are_allowed(key):
    result = k_medoids(1e38 * random_distances(4), 3, key=key)
    assert np.isfinite(result.cost)
