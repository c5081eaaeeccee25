"""Pairs of networks' arrays to be matched, held in the form that matching needs.

With target arrays T and source arrays S, the affinity of a group of units is

    A_p = sum over pairs and occurrences of unfold(T) unfold(S')ᵀ

where S' is S permuted on all axes but that of the occurrence. An array on which one
group acts alone gives a constant part of A_p: it is summed when a pair comes in, and
the array is forgotten. Arrays that couple several groups are kept, pair by pair, in
buffers allocated once, so that one program serves any number of pairs. Products are
summed over the pairs, never the arrays before the product.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cmd_jax.transfer.groups import Occurrence, PermutationGroups
from cmd_jax.transfer.terms import Leaves, flat, terms_of
from cmd_jax.types import Array, ArrayLike, PyTree


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

    constant = tuple(
        known
        + sum(
            unit_products(place, group.size, target[place.leaf], source[place.leaf])
            for place in group.occurrences
            if place.leaf not in pairs.target
        )
        for known, group in zip(pairs.constant, groups, strict=True)
    )
    num_pairs = jnp.maximum(pairs.num_pairs, jnp.asarray(number, jnp.int32) + 1)
    return Pairs(
        num_pairs, constant, put(pairs.target, target), put(pairs.source, source)
    )


@jax.jit
def without_constant(pairs: Pairs) -> Pairs:
    """The pairs with their constant parts begun anew."""
    return pairs._replace(constant=jax.tree.map(jnp.zeros_like, pairs.constant))


def unit_products(
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
