"""Affinities and the objective of matching, summed slab by slab.

A slab is a part of an array behind the axes that come before all axes that groups move,
such as one place of a convolution's window: what is permuted is never longer than that,
and pairs that are not there yet cost nothing.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from cmd_jax.transfer.groups import Occurrence, PermutationGroups
from cmd_jax.transfer.pairs import Pairs, unit_products
from cmd_jax.transfer.permutation import Permutation, act
from cmd_jax.transfer.terms import Term, moved_by, occurrences_of, terms_of
from cmd_jax.types import Array, ArrayLike


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
        if term.occurrence.leaf in pairs.target:
            total += _kept_products(pairs, term, size, permutation)
    return total


def _kept_products(
    pairs: Pairs, term: Term, size: int, permutation: Permutation
) -> Float[Array, "units units"]:
    """A term's products with the source permuted along the other axes."""
    place, others = term
    slabs = _slabs(pairs, place.leaf, [place, *(other for _, other in others)])
    inside, *along = slabs.places

    def products(target: Array, moved: Array) -> Array:
        return unit_products(inside, size, target, moved)

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
    places = [moved_by(place, -before) for place in places]
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


@functools.partial(jax.jit, static_argnums=0)
def alignment(
    groups: PermutationGroups, pairs: Pairs, permutation: Permutation
) -> Float[Array, ""]:
    """The objective ⟨T, πS⟩, summed over pairs and all arrays that the groups move."""
    total = jnp.zeros((), jnp.float32)
    for known, p in zip(pairs.constant, permutation, strict=True):
        total += known[jnp.arange(len(p)), p].sum()
    for leaf in pairs.target:
        found = [
            (n, place) for n, place in occurrences_of(groups) if place.leaf == leaf
        ]
        slabs = _slabs(pairs, leaf, [moved_by(place, 1) for _, place in found])
        along = [(n, place) for (n, _), place in zip(found, slabs.places, strict=True)]
        total = _sum_over(slabs, along, permutation, _inner_product, total)
    return total


def _inner_product(one: Array, other: Array) -> Array:
    return (one * other).sum()
