"""Matching against brute force, SciPy in float64, and planted permutations."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from cmd_jax import models
from cmd_jax.transfer import (
    Group,
    Occurrence,
    PermutationGroups,
    add_pair,
    identity,
    match,
    no_pairs,
    permutation_groups,
    permute,
    random_permutation,
    weight_matching,
)

WIDTHS = (5, 4, 3, 2)  # small enough to try all 4! x 3! permutations


def stack(groups, pairs):
    """Pairs (source, target) in their buffers, with one place left empty."""
    held = no_pairs(groups, pairs[0][0], len(pairs) + 1)
    for number, (source, target) in enumerate(pairs):
        held = add_pair(groups, held, number, source, target)
    return held


def value(groups, pairs, permutation):
    """⟨T, πS⟩ over the pairs, in float64."""
    total = 0.0
    for source, target in pairs:
        moved = permute(groups, permutation, source)
        for name, leaf in target.items():
            total += float((np.float64(leaf) * np.float64(moved[name])).sum())
    return total


def arrays(permutation):
    return [np.asarray(p).tolist() for p in permutation]


@pytest.fixture
def pairs(mlp):
    return [(mlp(WIDTHS, seed), mlp(WIDTHS, seed + 50)) for seed in range(3)]


def test_one_hidden_layer_reaches_the_optimum_of_scipy(mlp, mlp_groups):
    widths = (7, 40, 3)
    groups = mlp_groups(widths)
    several = [(mlp(widths, seed), mlp(widths, seed + 50)) for seed in range(3)]
    found = match(groups, stack(groups, several))
    products = sum(
        target["0"].T.astype(float) @ source["0"] + target["1"] @ source["1"].T
        for source, target in several
    )
    best = products[linear_sum_assignment(products, maximize=True)].sum()
    assert value(groups, several, found.permutation) == pytest.approx(best, rel=1e-6)
    assert found.objective[-1] == pytest.approx(best, rel=1e-5)
    assert found.converged and found.num_sweeps == 1


def test_no_group_alone_can_improve_on_the_end(pairs, mlp_groups):
    groups = mlp_groups(WIDTHS)
    found = match(groups, stack(groups, pairs))
    reached = value(groups, pairs, found.permutation)
    for number, group in enumerate(groups):
        for order in itertools.permutations(range(group.size)):
            other = list(found.permutation)
            other[number] = np.array(order)
            assert value(groups, pairs, tuple(other)) <= reached + 1e-5
    assert found.converged


@pytest.mark.parametrize("seed", range(3))
def test_the_objective_is_what_it_says_and_never_falls(mlp, mlp_groups, seed):
    widths = (6, 12, 12, 12, 3)
    groups = mlp_groups(widths)
    pairs = [(mlp(widths, seed), mlp(widths, seed + 50))]
    start = random_permutation(groups, key=jax.random.key(seed))
    found = match(groups, stack(groups, pairs), initial=start)
    assert len(found.objective) == found.num_sweeps + 1 > 2
    assert np.all(np.diff(found.objective) >= 0)
    ends = [value(groups, pairs, p) for p in (start, found.permutation)]
    np.testing.assert_allclose(found.objective[[0, -1]], ends, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_planted_permutation_is_found_at_any_depth(mlp, mlp_groups, key, depth):
    widths = (10, *[16] * depth, 4)
    groups, network = mlp_groups(widths), mlp(widths)
    planted = random_permutation(groups, key=key)
    found = weight_matching(groups, network, permute(groups, planted, network))
    assert arrays(found.permutation) == arrays(planted)


def test_dead_units_do_not_keep_live_ones_from_being_found(mlp, mlp_groups, key):
    widths = (10, 16, 16, 4)
    groups, network = mlp_groups(widths), mlp(widths)
    for leaf, axis in (("0", 1), ("1", 0)):
        np.moveaxis(network[leaf], axis, 0)[[2, 7, 11]] = 0
    planted = random_permutation(groups, key=key)
    found = weight_matching(groups, network, permute(groups, planted, network))
    live = ~np.isin(planted[0], [2, 7, 11])
    assert arrays([found.permutation[0][live]]) == arrays([planted[0][live]])
    assert arrays(found.permutation[1:]) == arrays(planted[1:])


def test_gradients_are_multiplied_before_they_are_summed(mlp_groups):
    """Pairs that cancel in their sum still tell the permutation."""
    groups = mlp_groups((2, 3, 1))
    source = {"0": np.float32([[1, 2, 3], [3, 1, 2]]), "1": np.ones((3, 1), np.float32)}
    planted = (np.array([2, 0, 1], np.int32),)
    target = permute(groups, planted, source)
    negated = [jax.tree.map(jnp.negative, network) for network in (source, target)]
    found = match(groups, stack(groups, [(source, target), tuple(negated)]))
    assert arrays(found.permutation) == arrays(planted)


def test_a_group_on_both_axes_of_an_array_never_makes_it_worse(key):
    """Not linear in the permutation: a recurrent layer, or a residual stream."""
    groups = PermutationGroups((Group(6, (Occurrence("w", 0), Occurrence("w", 1))),))
    for seed in range(8):
        draws = np.random.default_rng(seed)
        pair = [{"w": draws.normal(size=(6, 6)).astype(np.float32)} for _ in range(2)]
        found = match(groups, stack(groups, [tuple(pair)]))
        ends = [value(groups, [pair], p) for p in (identity(groups), found.permutation)]
        np.testing.assert_allclose(found.objective[[0, -1]], ends, rtol=1e-4, atol=1e-5)
        assert np.all(np.diff(found.objective) >= 0)


def test_units_inside_an_axis_and_in_slices_are_matched(key):
    """Flattened maps, and one layer of an array of stacked layers."""
    groups = PermutationGroups(
        (
            Group(
                4,
                (
                    Occurrence("conv", 1),
                    Occurrence("dense", 0, repeats=((3, 4),)),
                    Occurrence("stack", 1, at=((0, 1),)),
                ),
            ),
            Group(5, (Occurrence("dense", 1), Occurrence("stack", 2, at=((0, 1),)))),
            Group(4, (Occurrence("stack", 1, at=((0, 2),)),)),  # alone in its layer
        )
    )
    draws = np.random.default_rng(0)
    shapes = {"conv": (9, 4), "dense": (12, 5), "stack": (3, 4, 5)}
    network = {
        name: draws.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    planted = random_permutation(groups, key=key)
    permuted = permute(groups, planted, network)
    found = weight_matching(groups, network, permuted)
    assert arrays(found.permutation) == arrays(planted)
    expected = sum((leaf.astype(np.float64) ** 2).sum() for leaf in network.values())
    assert found.objective[-1] == pytest.approx(expected, rel=1e-5)


def test_a_start_at_the_optimum_stays_there(mlp, mlp_groups, key):
    groups, network = mlp_groups(WIDTHS), mlp(WIDTHS)
    planted = random_permutation(groups, key=key)
    permuted = permute(groups, planted, network)
    found = weight_matching(groups, network, permuted, initial=planted)
    assert arrays(found.permutation) == arrays(planted)
    assert found.num_sweeps == 1 and found.objective[0] == found.objective[1]


def test_arrays_of_another_shape_are_left_out(mlp, mlp_groups, key):
    groups, source = mlp_groups((5, 4, 3)), mlp((5, 4, 3))
    planted = random_permutation(groups, key=key)
    target = {**permute(groups, planted, source), "1": mlp((5, 4, 7))["1"]}
    assert arrays(weight_matching(groups, source, target).permutation) == arrays(
        planted
    )


def test_refuses_other_widths_missing_arrays_and_nan(mlp, mlp_groups):
    groups, network = mlp_groups((5, 4, 3)), mlp((5, 4, 3))
    with pytest.raises(ValueError, match=r"'0' has the shape \(5, 6\).*equal widths"):
        weight_matching(groups, mlp((5, 6, 3)), network)
    with pytest.raises(ValueError, match="the source has no leaf '1'"):
        weight_matching(groups, {"0": network["0"]}, network)
    broken = {**network, "1": np.full((4, 3), np.nan, np.float32)}
    with pytest.raises(ValueError, match="affinity of group 0 is not finite"):
        weight_matching(groups, broken, network)
    with pytest.raises(ValueError, match="max_sweeps is 0"):
        match(groups, stack(groups, [(network, network)]), max_sweeps=0)


def test_groups_of_all_variables_become_those_of_the_parameters():
    """Running statistics move with the units, and are no parameters."""
    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    found = {}
    for statistics in ("running", "batch"):
        network = models.create(
            "resnet18", num_classes=3, width=2, statistics=statistics
        )
        params, state = jax.eval_shape(network.init, jax.random.key(0), images)
        found[statistics] = permutation_groups(
            lambda v, x, apply=network.apply: apply(*v, x)[0], (params, state), images
        )
    moved = {place.leaf for group in found["running"] for place in group.occurrences}
    assert any(name.startswith("1/batch_stats") for name in moved)
    assert found["running"].within("0") == found["batch"].within("0")
    assert len(found["running"].within("0")) == len(found["running"])
