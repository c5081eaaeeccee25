"""Git Re-Basin's weight matching: two networks brought close by a permutation."""

from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.matching import Matching, match
from cmd_jax.transfer.pairs import add_pair, no_pairs
from cmd_jax.transfer.permutation import Permutation
from cmd_jax.transfer.terms import moved_leaves, shared_groups
from cmd_jax.types import Params


def weight_matching(
    groups: PermutationGroups,
    source: Params,
    target: Params,
    *,
    initial: Permutation | None = None,
) -> Matching:
    """The permutation that brings one network's weights closest to another's.

    It is Git Re-Basin's weight matching: the same search as for gradients, on one pair.

    Args:
      groups: of the network.
      source: the parameters to permute.
      target: those to come close to; arrays of another shape are left out.
      initial: where to start; the identity by default.

    Returns:
      The matching: `permute(groups, matching.permutation, source)` is close to
      `target`.

    Raises:
      ValueError: the networks differ in width, or hold a number that is not finite.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import (
      ...     Group, Occurrence, PermutationGroups, permute, weight_matching
      ... )
      >>> hidden = Group(3, (Occurrence("in", 1), Occurrence("out", 0)))
      >>> groups = PermutationGroups((hidden,))
      >>> draws = np.random.default_rng(0)
      >>> network = {
      ...     "in": draws.normal(size=(4, 3)).astype(np.float32),
      ...     "out": draws.normal(size=(3, 2)).astype(np.float32),
      ... }
      >>> planted = (np.array([2, 0, 1], np.int32),)
      >>> permuted = permute(groups, planted, network)
      >>> weight_matching(groups, network, permuted).permutation[0].tolist()
      [2, 0, 1]

    References:
      Ainsworth et al., Git Re-Basin: Merging Models modulo Permutation Symmetries, ICLR
      2023, section 3.2.
    """
    groups = shared_groups(groups, source, target)
    pairs = no_pairs(groups, target, 1)
    pairs = add_pair(
        groups, pairs, 0, moved_leaves(groups, source), moved_leaves(groups, target)
    )
    return match(groups, pairs, initial=initial)
