"""Matching: the permutation that brings source arrays closest to target arrays.

    π = argmin_π Σ_t ‖T^t - π S^t‖² = argmax_π Σ_t ⟨T^t, π S^t⟩

For one group of units it is a linear assignment; coupled groups make it a sum of
bilinear assignments, which is NP-hard: coordinate ascent solves one group after another
with the others held fixed (arXiv 2305.14122, section 3; Git Re-Basin, section 3.2).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float64, Int

from cmd_jax import host
from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.pairs import Pairs
from cmd_jax.transfer.permutation import Permutation, identity
from cmd_jax.transfer.slabs import affinity, alignment
from cmd_jax.transfer.terms import terms_of

_MIN_GAIN = 1e-6  # of a group's own objective; below it lies rounding
_MAX_SWEEPS = 100


class Matching(NamedTuple):
    """A permutation, and how it was found.

    Attributes:
      permutation: an index vector for each group; unit i of the target is matched with
        unit p[i] of the source.
      objective: ⟨T, πS⟩ at the start and after each sweep; it never falls.
      num_sweeps: passes over the groups that had to be solved.
      converged: whether no group could be improved any more, the others held fixed.
    """

    permutation: Permutation
    objective: Float64[np.ndarray, " sweeps"]
    num_sweeps: int
    converged: bool


def match(
    groups: PermutationGroups,
    pairs: Pairs,
    *,
    initial: Permutation | None = None,
    max_sweeps: int = _MAX_SWEEPS,
) -> Matching:
    """Maximises ⟨T, πS⟩ over the permutations of all groups, by coordinate ascent.

    Products are formed on the device, assignments solved on the host by threads, those
    of groups that share no array at the same time. A group is solved again only where
    an array that it shares has changed; its solution is taken if it raises the group's
    own objective, in float64, by more than a millionth.

    Args:
      groups: those that source and target share.
      pairs: the arrays.
      initial: where to start; the identity by default.
      max_sweeps: passes over the groups at most.

    Returns:
      The permutation, the objective by sweep, and whether it converged.

    Raises:
      ValueError: an affinity is not finite, or `max_sweeps` is smaller than 1.
    """
    if max_sweeps < 1:
        raise ValueError(f"max_sweeps is {max_sweeps}; it must be at least 1")
    start = identity(groups) if initial is None else initial
    permutation = [np.asarray(p) for p in start]
    objective = [float(alignment(groups, pairs, tuple(permutation)))]
    neighbours = _neighbours(groups)
    dirty = set(range(len(groups)))
    with ThreadPoolExecutor() as pool:
        while dirty and len(objective) <= max_sweeps:
            gain, waiting = 0.0, sorted(dirty)
            while waiting:
                together = _independent(waiting, neighbours)
                waiting = [number for number in waiting if number not in together]
                dirty -= set(together)
                found = _solve(groups, pairs, permutation, together, pool)
                for number, solution in zip(together, found, strict=True):
                    if solution.gain > 0:
                        permutation[number] = solution.permutation
                        gain += solution.gain
                        dirty |= neighbours[number]
            objective.append(objective[-1] + gain)
    return Matching(
        tuple(permutation), np.array(objective), len(objective) - 1, not dirty
    )


class _Solution(NamedTuple):
    permutation: Int[np.ndarray, " units"]
    gain: float


def _solve(
    groups: PermutationGroups,
    pairs: Pairs,
    permutation: Sequence[np.ndarray],
    numbers: Sequence[int],
    pool: ThreadPoolExecutor,
) -> list[_Solution]:
    """Each of these groups' assignment, the permutations of all others held fixed."""
    products = [_affinity(groups, n, pairs, tuple(permutation)) for n in numbers]
    solutions = []
    for number, product in zip(numbers, products, strict=True):
        values = host.fetch(product)  # while the products behind it are formed
        if not np.isfinite(values.sum(dtype=np.float64)):
            raise ValueError(
                f"the affinity of group {number} is not finite: the arrays to match "
                f"hold NaN or infinite numbers. The group is {groups[number]}"
            )
        solutions.append(pool.submit(_assign, values, permutation[number]))
    solved = [solution.result() for solution in solutions]
    return [
        _check_coupled(groups, pairs, permutation, number, solution)
        for number, solution in zip(numbers, solved, strict=True)
    ]


_affinity = jax.jit(affinity, static_argnums=(0, 1))


def _assign(
    values: Float[np.ndarray, "units units"], current: Int[np.ndarray, " units"]
) -> _Solution:
    """The best assignment, and what it gains over the current one."""
    # Imported here: SciPy's optimisers take a while, and only matching needs them.
    from scipy.optimize import linear_sum_assignment

    values = values.astype(np.float64)
    rows, best = linear_sum_assignment(values, maximize=True)
    before, after = values[rows, current].sum(), values[rows, best].sum()
    return _taken(best.astype(np.int32), before, after)


def _taken(permutation: np.ndarray, before: float, after: float) -> _Solution:
    gain = after - before
    significant = gain > _MIN_GAIN * max(abs(before), abs(after))
    return _Solution(permutation, float(gain) if significant else 0.0)


def _check_coupled(
    groups: PermutationGroups,
    pairs: Pairs,
    permutation: Sequence[np.ndarray],
    number: int,
    solution: _Solution,
) -> _Solution:
    """The true gain where a group acts twice on an array, so that it is not linear."""
    terms = terms_of(groups)[number]
    twice = any(number == other for term in terms for other, _ in term.others)
    if not twice or solution.gain <= 0:
        return solution
    changed = list(permutation)
    changed[number] = solution.permutation
    before, after = (
        float(alignment(groups, pairs, tuple(p))) for p in (permutation, changed)
    )
    return _taken(solution.permutation, before, after)


def _neighbours(groups: PermutationGroups) -> list[set[int]]:
    """For each group those whose affinity changes with its permutation."""
    return [
        {other for term in terms for other, _ in term.others}
        for terms in terms_of(groups)
    ]


def _independent(numbers: Sequence[int], neighbours: Sequence[set[int]]) -> list[int]:
    """The first of the groups, and those behind it that share no array."""
    chosen: list[int] = []
    for number in numbers:
        if not neighbours[number] & set(chosen):
            chosen.append(number)
    return chosen
