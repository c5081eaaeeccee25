"""Trajectories carried to other initialisations, up to the symmetry of the network."""

from cmd_jax.transfer.assumption import displacement_cosines
from cmd_jax.transfer.carried import Transfer
from cmd_jax.transfer.displacement_matching import oracle
from cmd_jax.transfer.gradient_matching import TRANSFERS, transfer
from cmd_jax.transfer.groups import Group, Occurrence, PermutationGroups
from cmd_jax.transfer.matching import Matching, match
from cmd_jax.transfer.pairs import Pairs, add_pair, no_pairs
from cmd_jax.transfer.permutation import (
    Permutation,
    act,
    compose,
    identity,
    invert,
    permute,
    random_permutation,
    unfold,
)
from cmd_jax.transfer.re_basin import weight_matching
from cmd_jax.transfer.source_path import PATHS, SourcePath, step_shares
from cmd_jax.transfer.symmetry import permutation_groups
from cmd_jax.transfer.terms import moved_leaves

__all__ = [
    "PATHS",
    "TRANSFERS",
    "Group",
    "Matching",
    "Occurrence",
    "Pairs",
    "Permutation",
    "PermutationGroups",
    "SourcePath",
    "Transfer",
    "act",
    "add_pair",
    "compose",
    "displacement_cosines",
    "identity",
    "invert",
    "match",
    "moved_leaves",
    "no_pairs",
    "oracle",
    "permutation_groups",
    "permute",
    "random_permutation",
    "step_shares",
    "transfer",
    "unfold",
    "weight_matching",
]
