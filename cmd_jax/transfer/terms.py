"""Where the arrays of two networks meet the groups: what an affinity is made of.

The affinity of a group of units sums products over all its occurrences, with the source
permuted on all axes but that of the occurrence. Which axes those are, for each
occurrence, is a term.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

from cmd_jax import trees
from cmd_jax.transfer.groups import Occurrence, PermutationGroups
from cmd_jax.types import ArrayLike, PyTree

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
        (number, moved_by(other, 1))
        for number, other in occurrences_of(groups)
        if other.leaf == place.leaf
        and other.axis != place.axis
        and _overlap(other, place)
    )
    return Term(moved_by(place, 1), others)


def occurrences_of(
    groups: PermutationGroups,
) -> Iterator[tuple[int, Occurrence]]:
    """Each occurrence with the number of its group."""
    for number, group in enumerate(groups):
        for place in group.occurrences:
            yield number, place


def _overlap(one: Occurrence, other: Occurrence) -> bool:
    """Whether the slices in which two occurrences act have a number in common."""
    fixed = dict(one.at)
    return all(fixed.get(axis, index) == index for axis, index in other.at)


def moved_by(place: Occurrence, axes: int) -> Occurrence:
    """The occurrence in an array with so many leading axes more."""
    at = tuple((axis + axes, index) for axis, index in place.at)
    return place._replace(axis=place.axis + axes, at=at)
