"""The Oracle: a transfer by what real training of the target asks for.

π = argmin_π ‖(θ_2^T - θ_2^0) - π (θ_1^T - θ_1^0)‖²    (arXiv 2305.14122, section 4)
"""

import dataclasses
from typing import Any

import jax
import optax

from cmd_jax.transfer.carried import Transfer, with_one, without_permutations
from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.re_basin import weight_matching
from cmd_jax.transfer.source_path import AnyTrajectory, source_path


def oracle(
    source: AnyTrajectory,
    target: AnyTrajectory,
    groups: PermutationGroups,
    *,
    num_steps: int,
    path: str = "linear",
    shares: Any = "uniform",
) -> Transfer:
    """The transfer by the permutation that the target's real training asks for.

    It brings the source's whole displacement closest to that of the trained target,
    which a transfer does not know: what GMT and FGMT can hope for.

    Args:
      source: the trained network's records.
      target: those of the trained target; the first is where the transfer starts.
      groups: the permutation groups of the network's parameters.
      num_steps: T.
      path: see `transfer`.
      shares: see `transfer`.

    Raises:
      ValueError: see `transfer`.
    """
    if len(target) < 2:
        raise ValueError(
            f"the target has {len(target)} record: the oracle needs its first and last"
        )
    way = source_path(source, path=path, shares=shares, num_steps=num_steps)
    blank = without_permutations(way, target[0], groups)
    found = weight_matching(
        blank.groups,
        _difference(way.end, way.start),
        _difference(target[len(target) - 1], target[0]),
    )
    return dataclasses.replace(with_one(blank, found.permutation), matchings=(found,))


_difference = jax.jit(optax.tree.sub)
