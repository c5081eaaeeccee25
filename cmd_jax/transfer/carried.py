"""A source's trajectory carried to another initialisation: what a transfer gives.

θ_2^t = θ_2^0 + π (θ_1^t - θ_1^0)                  (arXiv 2305.14122, eq. 7)
"""

import dataclasses
import functools

import jax
import numpy as np

from cmd_jax import host, trees
from cmd_jax.trajectory import Trajectory
from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.matching import Matching
from cmd_jax.transfer.permutation import Permutation, permute
from cmd_jax.transfer.source_path import SourcePath
from cmd_jax.transfer.terms import flat, shared_groups
from cmd_jax.types import Array, Params


@dataclasses.dataclass(frozen=True, eq=False)
class Transfer:
    """The trajectory of a target that was never trained.

    Attributes:
      groups: the permutation groups, without arrays that were left out.
      path: the source's networks θ_1^0, …, θ_1^T.
      target_init: θ_2^0.
      permutations: π_1, …, π_T.
      matchings: how each was found, with its objective by sweep; none where nothing was
        matched.
      left_out: the target's leaves that stay as they are: those of another shape in the
        source, or not of floating point.
    """

    groups: PermutationGroups
    path: SourcePath
    target_init: Params
    permutations: tuple[Permutation, ...] = ()
    matchings: tuple[Matching, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the leaves that are not carried over."""
        names = _carried(self.target_init, self.path.start)
        return tuple(n for n in trees.leaf_names(self.target_init) if n not in names)

    @property
    def num_steps(self) -> int:
        """T."""
        return self.path.num_steps

    def params(self, step: int) -> Params:
        """The target after `step` of T steps, by the permutation of that step.

        Raises:
          IndexError: `step` is not in 0 … T.
        """
        if not 0 <= step <= self.num_steps:
            raise IndexError(f"step {step} of a transfer of {self.num_steps} steps")
        return self.at(self.permutations[max(step - 1, 0)], step)

    def at(self, permutation: Permutation, step: int) -> Params:
        """θ_2^0 + π (θ_1^step - θ_1^0) for any permutation."""
        end, share = self.path.towards(step)
        return _carry(
            self.groups, permutation, self.path.start, end, share, self.target_init
        )

    def materialise(self) -> Trajectory:
        """All of the target's networks θ_2^0, …, θ_2^T, by the last permutation.

        Returns:
          A trajectory of T + 1 records in host memory, with steps 0, …, T.
        """
        records = jax.tree.map(
            lambda leaf: np.empty((self.num_steps + 1, *leaf.shape), leaf.dtype),
            self.target_init,
        )
        for step in range(self.num_steps + 1):
            record = host.fetch(self.at(self.permutations[-1], step))
            for history, leaf in zip(
                jax.tree.leaves(records), jax.tree.leaves(record), strict=True
            ):
                history[step] = leaf
        return Trajectory(records, np.arange(self.num_steps + 1))


def without_permutations(
    path: SourcePath, target_init: Params, groups: PermutationGroups
) -> Transfer:
    """A transfer whose permutations are yet to be found.

    Raises:
      ValueError: source and target differ in the number of units of a group.
    """
    target_init = jax.device_put(target_init)
    return Transfer(shared_groups(groups, path.start, target_init), path, target_init)


def with_one(blank: Transfer, permutation: Permutation) -> Transfer:
    """The transfer by one permutation at all steps."""
    return dataclasses.replace(blank, permutations=(permutation,) * blank.num_steps)


def _carried(target: Params, source: Params) -> set[str]:
    """Names of the leaves that both networks have, alike and of floating point."""
    theirs = flat(source)
    return {
        name
        for name, leaf in flat(target).items()
        if name in theirs
        and np.shape(theirs[name]) == np.shape(leaf)
        and trees.is_float(leaf)
    }


@functools.partial(jax.jit, static_argnums=0)
def _carry(
    groups: PermutationGroups,
    permutation: Permutation,
    start: Params,
    end: Params,
    share: float | Array,
    target: Params,
) -> Params:
    ends, starts, leaves = flat(end), flat(start), flat(target)
    moved = permute(
        groups,
        permutation,
        {name: ends[name] - starts[name] for name in sorted(_carried(target, start))},
    )
    carried = [
        (leaf + share * moved[name]).astype(leaf.dtype) if name in moved else leaf
        for name, leaf in leaves.items()
    ]
    return jax.tree.structure(target).unflatten(carried)
