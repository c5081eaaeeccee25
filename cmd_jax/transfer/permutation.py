"""Permutations of the units of a network, and how they act on its arrays.

A permutation is one index vector per group, p: unit i of the result is unit p[i] of
what is permuted. With π acting on all arrays at once, f(x; πθ) = f(x; θ) and
∇L(πθ) = π∇L(θ) (Chijiwa, arXiv 2305.14122, section 2).
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from cmd_jax import rng, trees
from cmd_jax.transfer.groups import Occurrence, PermutationGroups
from cmd_jax.types import Array, ArrayLike, Key, PyTree

Permutation = tuple[Int[ArrayLike, " _"], ...]
"""One index vector for each group, int32."""


def identity(groups: PermutationGroups) -> Permutation:
    """The permutation that moves nothing.

    Example:
      >>> from cmd_jax.transfer import Group, PermutationGroups, identity
      >>> [p.tolist() for p in identity(PermutationGroups((Group(3, ()),)))]
      [[0, 1, 2]]
    """
    return tuple(jnp.arange(group.size, dtype=jnp.int32) for group in groups)


def random_permutation(groups: PermutationGroups, *, key: Key) -> Permutation:
    """A permutation drawn uniformly, on the host.

    Args:
      groups: the groups of a network.
      key: a typed PRNG key; the same one gives the same permutation everywhere.

    Example:
      >>> import jax
      >>> from cmd_jax.transfer import Group, PermutationGroups, random_permutation
      >>> groups = PermutationGroups((Group(3, ()), Group(5, ())))
      >>> [len(p) for p in random_permutation(groups, key=jax.random.key(0))]
      [3, 5]
    """
    generator = rng.generator(rng.stream(key, "permutation"))
    return tuple(
        jnp.asarray(generator.permutation(group.size), jnp.int32) for group in groups
    )


def compose(second: Permutation, first: Permutation) -> Permutation:
    """The permutation that does `first`, then `second`.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import compose
      >>> swap, turn = np.array([1, 0, 2], np.int32), np.array([1, 2, 0], np.int32)
      >>> [p.tolist() for p in compose((swap,), (turn,))]
      [[2, 1, 0]]
    """
    return tuple(q[p] for p, q in zip(second, first, strict=True))


def invert(permutation: Permutation) -> Permutation:
    """The permutation that undoes another.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import invert
      >>> [p.tolist() for p in invert((np.array([1, 2, 0], np.int32),))]
      [[2, 0, 1]]
    """
    return tuple(jnp.argsort(p).astype(jnp.int32) for p in permutation)


def permute(
    groups: PermutationGroups, permutation: Permutation, variables: PyTree
) -> PyTree:
    """The variables of a network whose units are permuted: πθ.

    A network permuted by its own groups computes the same function. Can be jitted, with
    `groups` static; linear in the variables.

    Args:
      groups: the groups of the network.
      permutation: an index vector [units] for each group; not checked to hold each
        index once.
      variables: any pytree of arrays that has the leaves which the groups name: all
        collections of a network, its gradients, a difference of two networks.

    Returns:
      A pytree like `variables`; leaves in no group are the same objects.

    Raises:
      ValueError: there is not one vector of the right length for each group; or the
        variables lack a leaf, or it has another shape than the groups say.

    Example:
      >>> import jax.numpy as jnp, numpy as np
      >>> from cmd_jax.transfer import Group, Occurrence, PermutationGroups, permute
      >>> hidden = Group(2, (Occurrence("in", 1), Occurrence("out", 0)))
      >>> layers = {"in": jnp.array([[1.0, 2.0]]), "out": jnp.array([[3.0], [4.0]])}
      >>> swapped = permute(PermutationGroups((hidden,)), (np.array([1, 0]),), layers)
      >>> swapped["in"].tolist(), swapped["out"].tolist()
      ([[2.0, 1.0]], [[4.0], [3.0]])
    """
    _check_permutation(groups, permutation)
    leaves, structure = jax.tree.flatten(variables)
    found = dict(zip(trees.leaf_names(variables), leaves, strict=True))
    for group, p in zip(groups, permutation, strict=True):
        for occurrence in group.occurrences:
            _check_occurrence(occurrence, group.size, found)
            found[occurrence.leaf] = act(occurrence, p, found[occurrence.leaf])
    return structure.unflatten(found.values())


def act(
    occurrence: Occurrence,
    permutation: Int[ArrayLike, " units"],
    array: Shaped[ArrayLike, "..."],
) -> Shaped[Array, "..."]:
    """Permutes the units of one occurrence of a group, and no others.

    Args:
      occurrence: where the units stand in the array.
      permutation: the group's index vector.
      array: the leaf that the occurrence names.
    """
    array, part = jnp.asarray(array), occurrence.part(np.ndim(array))
    source = permutation
    if not occurrence.plain:
        places = occurrence.places(len(permutation))
        stay = jnp.arange(array.shape[occurrence.axis])
        source = stay.at[places].set(jnp.asarray(places)[permutation])
    if not occurrence.at:
        return jnp.take(array, source, axis=occurrence.axis)
    moved = jnp.take(array[part], source, axis=occurrence.axis)
    return array.at[part].set(moved)


def unfold(
    occurrence: Occurrence, size: int, array: Shaped[ArrayLike, "..."]
) -> Shaped[Array, "units rest"]:
    """What belongs to each unit of one occurrence, as rows.

    `unfold(o, n, act(o, p, array))` is `unfold(o, n, array)[p]`.

    Args:
      occurrence: where the units stand in the array.
      size: the group's number of units.
      array: the leaf that the occurrence names.
    """
    part = jnp.asarray(array)[occurrence.part(np.ndim(array))]
    if not occurrence.plain:
        places = occurrence.places(size).ravel()
        part = jnp.take(part, places, axis=occurrence.axis)
    return jnp.moveaxis(part, occurrence.axis, 0).reshape(size, -1)


def _check_permutation(groups: PermutationGroups, permutation: Permutation) -> None:
    sizes, lengths = [group.size for group in groups], [*map(np.shape, permutation)]
    if lengths != [(size,) for size in sizes]:
        raise ValueError(
            f"a permutation of shapes {lengths} for {len(groups)} groups of sizes "
            f"{sizes}: give one index vector for each group, as long as its size"
        )


def _check_occurrence(occurrence: Occurrence, size: int, found: dict) -> None:
    leaf, axis = occurrence.leaf, occurrence.axis
    if leaf not in found:
        raise ValueError(
            f"the variables have no leaf {leaf!r}, which a group moves; they have "
            f"{_listed(found)}. Give all collections that the groups were found in"
        )
    shape, places = np.shape(found[leaf]), occurrence.places(size)
    length = places.size if occurrence.length is None else occurrence.length
    if axis >= len(shape) or shape[axis] != length:
        raise ValueError(
            f"leaf {leaf!r} has the shape {shape}, where a group has {size} units "
            f"({occurrence.describe(size)}): the groups are those of another network"
        )


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
