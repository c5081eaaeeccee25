"""Pairs of networks' arrays to be matched, held in the form that matching needs.

With target arrays T and source arrays S, the affinity of a group of units is

    A_p = sum over pairs and occurrences of unfold(T) unfold(S')ᵀ

where S' is S permuted on all axes but that of the occurrence. An array on which one
group acts alone gives a constant part of A_p: it is summed when a pair comes in, and
the array is forgotten. Arrays that couple several groups are kept, pair by pair, in
buffers allocated once, so that one program serves any number of pairs. Products are
summed over the pairs, never the arrays before the product.

Kept arrays are worked through slab by slab: a slab is a part behind the axes that come
before all axes that groups move, such as one place of a convolution's window. What is
permuted is never longer than that, and pairs that are not there yet cost nothing.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cmd_jax import trees
from cmd_jax.transfer.groups import Occurrence, PermutationGroups
from cmd_jax.transfer.permutation import Permutation, act
from cmd_jax.types import Array, ArrayLike, PyTree

Leaves = Mapping[str, ArrayLike]
"""Arrays by their names, as `trees.leaf_names` gives them."""


class Term(NamedTuple):
    """One occurrence of a group, in arrays with a leading axis of pairs.

    Attributes:
      occurrence: where the units stand.
      others: the occurrences that move the same numbers along other axes, each with the
        number of its group.
    """

    occurrence: Occurrence
    others: tuple[tuple[int, Occurrence], ...]


class Pairs(NamedTuple):
    """What is known of the pairs so far; a pytree of arrays.

    Attributes:
      num_pairs: how many there are; the first of the buffers.
      constant: for each group the part of its affinity that no permutation changes.
      target: the arrays on which several groups act, [pairs, ...].
      source: likewise.
    """

    num_pairs: Int[ArrayLike, ""]
    constant: tuple[Float[Array, "units units"], ...]
    target: dict[str, Float[Array, "pairs ..."]]
    source: dict[str, Float[Array, "pairs ..."]]


def flat(tree: PyTree) -> dict[str, ArrayLike]:
    """The leaves of a tree by their names."""
    return dict(zip(trees.leaf_names(tree), jax.tree.leaves(tree), strict=True))


def moved_leaves(groups: PermutationGroups, network: PyTree) -> dict[str, ArrayLike]:
    """The arrays of a network that groups move, by name."""
    names = {place.leaf for group in groups for place in group.occurrences}
    return {name: leaf for name, leaf in flat(network).items() if name in names}


def shared_groups(
    groups: PermutationGroups, source: PyTree, target: PyTree
) -> PermutationGroups:
    """The groups without the arrays that have another shape in source and target.

    Raises:
      ValueError: a network lacks an array that a group moves, or they differ in the
        number of units along an axis that it moves.
    """
    mine, theirs = flat(target), flat(source)
    for group in groups:
        for occurrence in group.occurrences:
            _check_units(occurrence, group.size, mine, theirs)
    return PermutationGroups(
        tuple(
            group._replace(
                occurrences=tuple(
                    place
                    for place in group.occurrences
                    if np.shape(mine[place.leaf]) == np.shape(theirs[place.leaf])
                )
            )
            for group in groups
        )
    )


def _check_units(
    occurrence: Occurrence, size: int, target: Leaves, source: Leaves
) -> None:
    leaf, axis = occurrence.leaf, occurrence.axis
    for which, leaves in (("source", source), ("target", target)):
        if leaf not in leaves:
            raise ValueError(
                f"the {which} has no leaf {leaf!r}, which a group moves; it has "
                f"{', '.join(leaves)}"
            )
    shapes = np.shape(source[leaf]), np.shape(target[leaf])
    lengths = {shape[axis] if axis < len(shape) else 0 for shape in shapes}
    if len(lengths) > 1 or (occurrence.plain and lengths != {size}):
        raise ValueError(
            f"leaf {leaf!r} has the shape {shapes[0]} in the source and {shapes[1]} in "
            f"the target, where a group has {size} units along axis {axis}: only "
            "networks of equal widths are matched"
        )


@functools.cache
def terms_of(groups: PermutationGroups) -> tuple[tuple[Term, ...], ...]:
    """The terms of each group's affinity."""
    return tuple(
        tuple(_term(groups, place) for place in group.occurrences) for group in groups
    )


def _term(groups: PermutationGroups, place: Occurrence) -> Term:
    others = tuple(
        (number, _moved_by(other, 1))
        for number, other in _occurrences(groups)
        if other.leaf == place.leaf
        and other.axis != place.axis
        and _overlap(other, place)
    )
    return Term(_moved_by(place, 1), others)


def _occurrences(groups: PermutationGroups) -> Iterator[tuple[int, Occurrence]]:
    for number, group in enumerate(groups):
        for place in group.occurrences:
            yield number, place


def _overlap(one: Occurrence, other: Occurrence) -> bool:
    """Whether the slices in which two occurrences act have a number in common."""
    fixed = dict(one.at)
    return all(fixed.get(axis, index) == index for axis, index in other.at)


def _moved_by(place: Occurrence, axes: int) -> Occurrence:
    """The occurrence in an array with so many leading axes more."""
    at = tuple((axis + axes, index) for axis, index in place.at)
    return place._replace(axis=place.axis + axes, at=at)


def no_pairs(groups: PermutationGroups, template: PyTree, num_pairs: int) -> Pairs:
    """Room for pairs, before the first.

    Args:
      groups: those that source and target share.
      template: arrays like those of a pair, or their shapes.
      num_pairs: how many pairs are kept.
    """
    coupled = {
        term.occurrence.leaf
        for terms in terms_of(groups)
        for term in terms
        if term.others
    }
    shapes = {
        name: (num_pairs, *leaf.shape)
        for name, leaf in flat(template).items()
        if name in coupled
    }
    return _empty(groups, tuple(sorted(shapes.items())))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _empty(
    groups: PermutationGroups, shapes: tuple[tuple[str, tuple[int, ...]], ...]
) -> Pairs:
    def buffers() -> dict[str, Array]:
        return {name: jnp.zeros(shape, jnp.float32) for name, shape in shapes}

    constant = tuple(jnp.zeros((g.size, g.size), jnp.float32) for g in groups)
    return Pairs(jnp.zeros((), jnp.int32), constant, buffers(), buffers())


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def add_pair(
    groups: PermutationGroups,
    pairs: Pairs,
    number: int | Int[ArrayLike, ""],
    source: Leaves,
    target: Leaves,
) -> Pairs:
    """Puts a pair of networks' arrays, by their names, into its place.

    Places are filled in their order. A pair's products are added to the constant parts:
    one that takes another's place needs these begun anew (`without_constant`).
    """

    def put(buffers: dict[str, Array], leaves: Leaves) -> dict[str, Array]:
        return {name: buffers[name].at[number].set(leaves[name]) for name in buffers}

    alone = (
        [t.occurrence for t in terms if not t.others] for terms in terms_of(groups)
    )
    constant = tuple(
        known
        + sum(
            _products(place, group.size, target[place.leaf], source[place.leaf])
            for place in (_moved_by(place, -1) for place in places)
        )
        for known, places, group in zip(pairs.constant, alone, groups, strict=True)
    )
    num_pairs = jnp.maximum(pairs.num_pairs, jnp.asarray(number, jnp.int32) + 1)
    return Pairs(
        num_pairs, constant, put(pairs.target, target), put(pairs.source, source)
    )


@jax.jit
def without_constant(pairs: Pairs) -> Pairs:
    """The pairs with their constant parts begun anew."""
    return pairs._replace(constant=jax.tree.map(jnp.zeros_like, pairs.constant))


def affinity(
    groups: PermutationGroups, number: int, pairs: Pairs, permutation: Permutation
) -> Float[Array, "units units"]:
    """A group's affinity: [i, j] is that of target unit i with source unit j.

    Args:
      groups: those that source and target share.
      number: of the group.
      pairs: their arrays.
      permutation: that of all groups, by which the source is permuted.
    """
    total, size = pairs.constant[number], groups[number].size
    for term in terms_of(groups)[number]:
        if term.others:
            total += _coupled_products(pairs, term, size, permutation)
    return total


def _coupled_products(
    pairs: Pairs, term: Term, size: int, permutation: Permutation
) -> Float[Array, "units units"]:
    """A term's products with the source permuted along the other axes."""
    place, others = term
    slabs = _slabs(pairs, place.leaf, [place, *(other for _, other in others)])
    inside, *along = slabs.places

    def products(target: Array, moved: Array) -> Array:
        return _products(inside, size, target, moved)

    along = [(n, other) for (n, _), other in zip(others, along, strict=True)]
    start = jnp.zeros((size, size), jnp.float32)
    return _sum_over(slabs, along, permutation, products, start)


class Slabs(NamedTuple):
    """An array's pairs, cut along the axes before all that some occurrences need.

    Attributes:
      target: [slabs, ...].
      source: [slabs, ...].
      places: the occurrences as they lie in a slab.
      number: how many slabs are those of pairs that are there.
    """

    target: Array
    source: Array
    places: list[Occurrence]
    number: Int[ArrayLike, ""]


def _slabs(pairs: Pairs, leaf: str, places: list[Occurrence]) -> Slabs:
    target, source = pairs.target[leaf], pairs.source[leaf]
    before = min(axis for p in places for axis in (p.axis, *(a for a, _ in p.at)))
    inside = target.shape[before:]
    number = math.prod(target.shape[1:before]) * pairs.num_pairs
    target, source = (array.reshape(-1, *inside) for array in (target, source))
    places = [_moved_by(place, -before) for place in places]
    return Slabs(target, source, places, number)


def _sum_over(
    slabs: Slabs,
    along: list[tuple[int, Occurrence]],
    permutation: Permutation,
    function: Callable[[Array, Array], Array],
    start: Array,
) -> Array:
    """The sum of `function(target, source)` over slabs, their source permuted."""

    def add(index: Array, total: Array) -> Array:
        moved = slabs.source[index]
        for number, place in along:
            moved = act(place, permutation[number], moved)
        return total + function(slabs.target[index], moved)

    return jax.lax.fori_loop(0, slabs.number, add, start)


def _products(
    place: Occurrence, size: int, target: ArrayLike, source: ArrayLike
) -> Float[Array, "units units"]:
    """Products of all units with all, summed over every other axis.

    The axes stay where they are: to bring the units to the front would copy the arrays.
    """
    by_unit = [_by_unit(place, size, array) for array in (target, source)]
    others = [axis for axis in range(by_unit[0].ndim) if axis != place.axis]
    return jnp.tensordot(
        *by_unit, axes=(others, others), precision=jax.lax.Precision.HIGHEST
    )


def _by_unit(place: Occurrence, size: int, array: ArrayLike) -> Array:
    """The array with nothing but the units along the occurrence's axis."""
    part = jnp.asarray(array)[place.part(np.ndim(array))]
    if place.plain:
        return part
    part = jnp.take(part, place.places(size).ravel(), axis=place.axis)
    shape = part.shape
    return part.reshape(*shape[: place.axis], size, -1, *shape[place.axis + 1 :])


@functools.partial(jax.jit, static_argnums=0)
def alignment(
    groups: PermutationGroups, pairs: Pairs, permutation: Permutation
) -> Float[Array, ""]:
    """The objective ⟨T, πS⟩, summed over pairs and all arrays that the groups move."""
    total = jnp.zeros((), jnp.float32)
    for known, p in zip(pairs.constant, permutation, strict=True):
        total += known[jnp.arange(len(p)), p].sum()
    for leaf in pairs.target:
        found = [(n, place) for n, place in _occurrences(groups) if place.leaf == leaf]
        slabs = _slabs(pairs, leaf, [_moved_by(place, 1) for _, place in found])
        along = [(n, place) for (n, _), place in zip(found, slabs.places, strict=True)]
        total = _sum_over(slabs, along, permutation, _inner_product, total)
    return total


def _inner_product(one: Array, other: Array) -> Array:
    return (one * other).sum()
