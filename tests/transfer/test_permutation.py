"""The group action, against products with permutation matrices and by its own laws."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import transfer
from cmd_jax.transfer import Group, Occurrence, PermutationGroups

HIDDEN = Group(
    4, (Occurrence("0/bias", 0), Occurrence("0/kernel", 1), Occurrence("1/kernel", 0))
)
LAST = Group(3, (Occurrence("1/kernel", 1), Occurrence("2/kernel", 0)))
MLP = PermutationGroups((HIDDEN, LAST))

PLACES = {
    "plain": (Occurrence("w", 1), [[0], [1], [2]]),
    "flattened": (
        Occurrence("w", 1, repeats=((2, 3),)),
        [[0, 3], [1, 4], [2, 5]],
    ),
    "heads": (
        Occurrence("w", 1, stride=2, repeats=((2, 1),)),
        [[0, 1], [2, 3], [4, 5]],
    ),
    "first_segment": (Occurrence("w", 1, length=12), [[0], [1], [2]]),
    "segment": (Occurrence("w", 1, start=4, length=12), [[4], [5], [6]]),
    "flattened_segment": (
        Occurrence("w", 1, start=1, repeats=((2, 4),), length=12),
        [[1, 5], [2, 6], [3, 7]],
    ),
    "inner_factor": (
        Occurrence("w", 1, stride=2, repeats=((2, 6), (2, 1))),
        [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]],
    ),
}


@pytest.fixture
def variables():
    generator = np.random.default_rng(0)
    shapes = {"kernel": (5, 4), "bias": (4,)}, {"kernel": (4, 3)}, {"kernel": (3, 2)}
    return [
        {name: jnp.asarray(generator.normal(size=shape)) for name, shape in one.items()}
        for one in shapes
    ]


def forward(variables, x):
    first, second, third = variables
    x = jnp.tanh(x @ first["kernel"] + first["bias"][None])
    return jnp.tanh(x @ second["kernel"]) @ third["kernel"]


permute = functools.partial(jax.jit(transfer.permute, static_argnums=0), MLP)


def equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def test_units_move_as_products_with_permutation_matrices_do(variables, key):
    p, q = transfer.random_permutation(MLP, key=key)
    one, two = np.eye(4)[p], np.eye(3)[q]
    permuted = permute((p, q), variables)
    assert np.array_equal(permuted[0]["bias"], one @ variables[0]["bias"])
    assert np.array_equal(permuted[0]["kernel"], variables[0]["kernel"] @ one.T)
    assert np.array_equal(permuted[1]["kernel"], one @ variables[1]["kernel"] @ two.T)
    assert np.array_equal(permuted[2]["kernel"], two @ variables[2]["kernel"])


def test_a_permuted_network_is_the_same_function_with_permuted_gradients(
    variables, key
):
    permutation = transfer.random_permutation(MLP, key=key)
    inputs = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    loss = jax.jit(jax.value_and_grad(lambda v: (forward(v, inputs) ** 2).sum()))
    value, gradient = loss(variables)
    permuted_value, permuted_gradient = loss(permute(permutation, variables))
    np.testing.assert_allclose(permuted_value, value, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        permuted_gradient,
        permute(permutation, gradient),
    )


def test_the_second_after_the_first_is_their_composition(variables, key):
    first, second = (
        transfer.random_permutation(MLP, key=k) for k in jax.random.split(key)
    )
    both = transfer.compose(second, first)
    one_by_one = permute(second, permute(first, variables))
    assert equal(permute(both, variables), one_by_one)
    assert not equal(both, transfer.compose(first, second))


def test_the_inverse_undoes_on_both_sides(variables, key):
    permutation = transfer.random_permutation(MLP, key=key)
    inverse, same = transfer.invert(permutation), transfer.identity(MLP)
    assert equal(transfer.compose(inverse, permutation), same)
    assert equal(transfer.compose(permutation, inverse), same)
    assert equal(permute(same, variables), variables)


def test_draws_hold_each_unit_once_and_depend_on_the_key_alone(key):
    one, two = (transfer.random_permutation(MLP, key=key) for _ in range(2))
    assert equal(one, two)
    assert [sorted(p.tolist()) for p in one] == [[0, 1, 2, 3], [0, 1, 2]]
    assert [p.dtype for p in one] == [jnp.int32] * 2
    assert not equal(one, transfer.random_permutation(MLP, key=jax.random.key(1)))


def test_all_permutations_are_drawn():
    groups = PermutationGroups((Group(3, ()),))
    keys = map(jax.random.key, range(60))
    drawn = {
        tuple(transfer.random_permutation(groups, key=k)[0].tolist()) for k in keys
    }
    assert drawn == set(itertools.permutations(range(3)))


@pytest.mark.parametrize("name", PLACES)
def test_units_stand_where_the_occurrence_says(name):
    occurrence, places = PLACES[name]
    assert occurrence.places(3).tolist() == places
    length = occurrence.length or np.size(places)
    array = np.arange(2 * length).reshape(2, length)
    p = np.array([2, 0, 1], np.int32)
    expected = array.copy()
    for unit, source in enumerate(p):
        expected[:, places[unit]] = array[:, places[source]]
    moved = transfer.act(occurrence, p, array)
    assert np.array_equal(moved, expected)
    rows = transfer.unfold(occurrence, 3, array)
    assert np.array_equal(rows, array.T[places].reshape(3, -1))
    assert np.array_equal(transfer.unfold(occurrence, 3, moved), rows[p])


@pytest.mark.parametrize("at", [((0, 1),), ((1, 2),), ((0, 1), (1, 2))])
def test_a_group_may_act_in_a_slice_of_an_array(at):
    occurrence, array = Occurrence("w", 2, at=at), np.arange(24).reshape(2, 3, 4)
    p = np.array([3, 1, 0, 2], np.int32)
    inside = np.full(array.shape, True)
    for axis, index in at:
        inside &= np.indices(array.shape)[axis] == index
    moved = transfer.act(occurrence, p, array)
    assert np.array_equal(moved, np.where(inside, array[..., p], array))
    rows = transfer.unfold(occurrence, 4, array)
    assert np.array_equal(np.sort(rows, axis=None), array[inside])
    assert np.array_equal(transfer.unfold(occurrence, 4, moved), rows[p])


def test_a_recurrent_kernel_moves_on_both_axes():
    axes = Occurrence("w", 0), Occurrence("w", 1)
    p, w = np.array([2, 0, 1], np.int32), jnp.arange(9).reshape(3, 3)
    permuted = transfer.permute(PermutationGroups((Group(3, axes),)), (p,), {"w": w})
    assert np.array_equal(permuted["w"], w[p][:, p])


def test_leaves_in_no_group_are_not_touched(variables, key):
    variables = [*variables, {"steps": 3, "table": np.arange(4)}]
    permuted = transfer.permute(
        MLP, transfer.random_permutation(MLP, key=key), variables
    )
    assert permuted[3]["steps"] == 3
    assert permuted[3]["table"] is variables[3]["table"]


def test_the_summary_says_what_moves_together():
    heads = Group(
        2,
        (
            Occurrence("query", 1, stride=4, repeats=((4, 1),), at=((0, 3),)),
            Occurrence("out", 0, start=8, repeats=((5, 2),), at=((1, 0),), length=20),
        ),
    )
    groups = PermutationGroups((*MLP, heads))
    assert len(groups) == 3 and groups[1] is LAST
    assert str(groups).splitlines() == [
        "0: 4 units",
        *("   0/bias axis 0", "   0/kernel axis 1", "   1/kernel axis 0"),
        *("1: 3 units", "   1/kernel axis 1", "   2/kernel axis 0"),
        "2: 2 units",
        *("   query[3] axis 1 as [2] x 4", "   out[:, 0] axis 0 as 5 x [2] from 8"),
    ]
    assert str(PermutationGroups(())).startswith("no groups")


@pytest.mark.parametrize(
    ("permutation", "message"),
    [
        ((np.arange(4),), r"shapes \[\(4,\)\] for 2 groups of sizes \[4, 3\]"),
        ((np.arange(4), np.arange(4)), r"shapes \[\(4,\), \(4,\)\]"),
    ],
)
def test_a_permutation_of_other_groups_is_refused(variables, permutation, message):
    with pytest.raises(ValueError, match=message):
        transfer.permute(MLP, permutation, variables)


def test_variables_of_another_network_are_refused(variables):
    permutation = transfer.identity(MLP)
    with pytest.raises(ValueError, match=r"no leaf '2/kernel'.*they have 0/bias"):
        transfer.permute(MLP, permutation, variables[:2])
    variables[1]["kernel"] = jnp.zeros((6, 3))
    with pytest.raises(ValueError, match=r"'1/kernel' has the shape \(6, 3\).* 4 uni"):
        transfer.permute(MLP, permutation, variables)
    heads = Group(2, (Occurrence("2/kernel", 0, length=5),))
    with pytest.raises(ValueError, match="those of another network"):
        transfer.permute(PermutationGroups((heads,)), (np.arange(2),), variables)
