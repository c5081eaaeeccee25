"""What a permutation symmetry of a network moves: groups of axes of its arrays.

A *group* is a set of axes that must be permuted alike for the network to stay the same
function: the outputs of one layer, its bias, the inputs of the next. What is permuted
are its *units*. Most axes hold the units of one group, one beside the other; some hold
them as a part or a factor (flattened maps, heads x features, concatenations), which is
why an occurrence of a group says where on the axis its units stand.

References:
  Ainsworth et al., Git Re-Basin: Merging Models modulo Permutation Symmetries, ICLR
  2023.
  Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
  2305.14122), section 2.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int


class Occurrence(NamedTuple):
    """Where the units of a group stand: on one axis of one array.

    Unit i stands at all the places `start + i * stride + sum_d k_d * stride_d` of the
    axis, 0 <= k_d < count_d. The defaults are an axis that holds the units and nothing
    else. A flattened `[height, width, channels]` holds the channels with `repeats =
    ((height * width, channels),)`; `[heads, features]` as one axis holds the heads with
    `stride = features, repeats = ((features, 1),)`.

    Attributes:
      leaf: the array's name, as `trees.leaf_names` gives it.
      axis: the axis, counted from 0.
      start: the place of the first unit.
      stride: the distance from one unit to the next.
      repeats: pairs (count, stride): how often and at what distance a unit repeats.
      at: pairs (axis, index): the slice of the array in which the group acts, such as
        one layer of an array of stacked layers; empty for the whole array.
      length: of the axis, where it holds other things beside the group's units; None
        where they fill it.

    Example:
      >>> from cmd_jax.transfer import Occurrence
      >>> Occurrence("dense/kernel", 0, repeats=((2, 3),)).places(3).tolist()
      [[0, 3], [1, 4], [2, 5]]
    """

    leaf: str
    axis: int
    start: int = 0
    stride: int = 1
    repeats: tuple[tuple[int, int], ...] = ()
    at: tuple[tuple[int, int], ...] = ()
    length: int | None = None

    @property
    def plain(self) -> bool:
        """Whether the axis is the group's units, one beside the other."""
        return self._replace(at=()) == Occurrence(self.leaf, self.axis)

    def places(self, size: int) -> Int[np.ndarray, "units copies"]:
        """The places of each of a group's `size` units on the axis."""
        places = self.start + self.stride * np.arange(size)[:, None]
        for count, stride in self.repeats:
            offsets = stride * np.arange(count)
            places = (places[:, :, None] + offsets).reshape(size, -1)
        return places

    def part(self, ndim: int) -> tuple[slice, ...]:
        """The slice, of all `ndim` axes of the array, in which the group acts."""
        indices = dict(self.at)
        return tuple(
            slice(indices[axis], indices[axis] + 1) if axis in indices else slice(None)
            for axis in range(ndim)
        )

    def describe(self, size: int) -> str:
        """Where the units stand, as one reads it: `kernel axis 0 as 25 x [48]`."""
        indices = dict(self.at)
        selected = [
            str(indices.get(axis, ":")) for axis in range(max(indices, default=-1) + 1)
        ]
        text = self.leaf + (f"[{', '.join(selected)}]" if selected else "")
        factors = [(self.stride, f"[{size}]")]
        factors += [(stride, str(count)) for count, stride in self.repeats]
        text += f" axis {self.axis}"
        if self.repeats:
            text += " as " + " x ".join(f for _, f in sorted(factors, reverse=True))
        return text if self.length is None else f"{text} from {self.start}"


class Group(NamedTuple):
    """Axes that are permuted alike.

    Attributes:
      size: the number of units.
      occurrences: where they stand, in the order of the leaves.
    """

    size: int
    occurrences: tuple[Occurrence, ...]

    def __str__(self) -> str:
        places = [place.describe(self.size) for place in self.occurrences]
        return "\n   ".join([f"{self.size} units", *places])


@dataclasses.dataclass(frozen=True)
class PermutationGroups:
    """The groups of a network, independent of each other; a static, hashable value.

    `permutation_groups` finds them; a list written by hand does as well. `len(groups)`,
    `groups[i]` and iteration give the groups, `str(groups)` which arrays and axes move
    together.

    Attributes:
      groups: in an order that is the same in every process.

    Example:
      >>> from cmd_jax.transfer import Group, Occurrence, PermutationGroups
      >>> hidden = Group(8, (Occurrence("first", 1), Occurrence("second", 0)))
      >>> print(PermutationGroups((hidden,)))
      0: 8 units
         first axis 1
         second axis 0
    """

    groups: tuple[Group, ...]

    def within(self, subtree: str) -> "PermutationGroups":
        """The groups as they act on a part of the variables, such as "params".

        Args:
          subtree: path components joined by "/"; the arrays' names lose it.

        Example:
          >>> from cmd_jax.transfer import Group, Occurrence, PermutationGroups
          >>> places = Occurrence("params/scale", 0), Occurrence("batch_stats/mean", 0)
          >>> print(PermutationGroups((Group(8, places),)).within("params"))
          0: 8 units
             scale axis 0
        """
        prefix = f"{subtree}/"
        parts = (
            group._replace(
                occurrences=tuple(
                    place._replace(leaf=place.leaf.removeprefix(prefix))
                    for place in group.occurrences
                    if place.leaf.startswith(prefix)
                )
            )
            for group in self
        )
        return PermutationGroups(tuple(group for group in parts if group.occurrences))

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Group:
        return self.groups[index]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __str__(self) -> str:
        if not self.groups:
            return "no groups: no axis of any array can be permuted"
        return "\n".join(f"{number}: {group}" for number, group in enumerate(self))
