"""The permutation groups of a network, read from its program.

No list of layers is written by hand: `apply` is traced to a jaxpr, and axes that must
move together are unified by the rules of its primitives. What of the variables' axes is
then left free are the groups.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from cmd_jax import trees
from cmd_jax.transfer.axes import Atom, Axis, Freedom, Sum, pin, resolve
from cmd_jax.transfer.groups import Group, Occurrence, PermutationGroups
from cmd_jax.transfer.program import walk
from cmd_jax.transfer.rules import Axes, free, pinned
from cmd_jax.types import PyTree


def permutation_groups(
    apply: Callable[..., Any], variables: PyTree, *inputs: PyTree
) -> PermutationGroups:
    """The permutation groups of a network.

    Works for any function: it is traced, not run, and nothing is asked of how it was
    written. What the rules do not know is taken to be fixed, so a permutation of the
    groups never changes the function. Attention heads and grouped channels give two
    groups: the blocks, and, alike in all blocks, what is within. The hidden units of
    layers that are scanned over are a group for each layer.

    Args:
      apply: `apply(variables, *inputs)`, a pure function of JAX. Its inputs and all
        that it gives back stay in place: return the outputs only, no updated state.
      variables: any pytree of arrays or their shapes: parameters and, where there are,
        running statistics.
      *inputs: arrays or their shapes, as `jax.ShapeDtypeStruct`; a batch of 2 or more
        is enough.

    Returns:
      The groups in the order of the leaves; axes of size 1, and arrays that nothing is
      computed from, are in none.

    Raises:
      TypeError: a leaf of the variables is no array.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.transfer import permutation_groups
      >>> def apply(params, inputs):
      ...     return jnp.tanh(inputs @ params["first"]) @ params["last"]
      >>> params = {"first": jnp.zeros((3, 8)), "last": jnp.zeros((8, 2))}
      >>> print(permutation_groups(apply, params, jnp.zeros((2, 3))))
      0: 8 units
         first axis 1
         last axis 0

    References:
      Ainsworth et al., Git Re-Basin: Merging Models modulo Permutation Symmetries, ICLR
      2023, for the groups of some architectures, written by hand.
    """
    names = trees.leaf_names(variables)
    leaves, structure = jax.tree.flatten(variables)
    shapes = [_shape_of_leaf(*named) for named in zip(names, leaves, strict=True)]
    program = jax.make_jaxpr(apply)(structure.unflatten(shapes), *inputs)
    own = [free(leaf.shape) for leaf in shapes]
    others = [pinned(v.aval.shape) for v in program.jaxpr.invars[len(own) :]]
    for axes in walk(program, [*own, *others]):
        pin(*axes)
    return _collect(names, own)


def _shape_of_leaf(name: str, leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, bool | int | float | complex):
        leaf = np.asarray(leaf)
    if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
        raise TypeError(
            f"leaf {name!r} of the variables is {leaf!r}; allowed are arrays and their "
            "shapes. Close over all else in `apply`"
        )
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def _collect(names: tuple[str, ...], leaves: list[Axes]) -> PermutationGroups:
    """The groups of what is left free, in the order of their first occurrences."""
    found: dict[Atom, list[Occurrence]] = {}
    layers: dict[Atom, int] = {}
    for name, axes in zip(names, leaves, strict=True):
        for number, axis in enumerate(axes):
            whole = Occurrence(name, number)
            for atom, occurrence in _occurrences(axis, whole, axis.size):
                found.setdefault(atom, []).append(occurrence)
                layers[atom] = axes[0].size
    groups: list[Group] = []
    for atom, occurrences in found.items():
        if atom.size > 1 and atom.freedom is Freedom.SHARED:
            groups.append(Group(atom.size, tuple(occurrences)))
        elif atom.size > 1 and atom.freedom is Freedom.PER_LAYER:
            groups += _layer_groups(atom.size, occurrences, layers[atom])
    return PermutationGroups(tuple(groups))


def _layer_groups(
    size: int, occurrences: list[Occurrence], num_layers: int
) -> Iterator[Group]:
    """A group for each layer of arrays that are stacked along their first axis."""
    for layer in range(num_layers):
        inside = tuple(place._replace(at=((0, layer),)) for place in occurrences)
        yield Group(size, inside)


def _occurrences(
    axis: Axis, place: Occurrence, length: int
) -> Iterator[tuple[Atom, Occurrence]]:
    """The atoms of a part of an axis, and where on all its length their units stand."""
    axis = resolve(axis)
    if isinstance(axis, Atom):
        yield axis, place._replace(repeats=_merged(place.repeats))
    elif isinstance(axis, Sum):
        start = place.start
        for part in axis.parts:
            segment = place._replace(start=start, length=length)
            yield from _occurrences(part, segment, length)
            start += place.stride * part.size
    else:
        outer, inner = 1, axis.size
        for part in axis.parts:
            inner //= part.size
            stride = place.stride * inner
            around = (outer, stride * part.size), (inner, place.stride)
            repeats = tuple(repeat for repeat in around if repeat[0] > 1)
            within = place._replace(stride=stride, repeats=place.repeats + repeats)
            yield from _occurrences(part, within, length)
            outer *= part.size


def _merged(repeats: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The same repeats in as few pairs (count, stride) as there can be."""
    merged: list[tuple[int, int]] = []
    for count, stride in sorted(repeats, key=lambda repeat: -repeat[1]):
        if merged and merged[-1][1] == count * stride:
            count *= merged.pop()[0]
        merged.append((count, stride))
    return tuple(merged)
