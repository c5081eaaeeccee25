"""Trajectories carried to other initialisations, up to the symmetry of the network."""

from cmd_jax.transfer.groups import Group, Occurrence, PermutationGroups
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
from cmd_jax.transfer.symmetry import permutation_groups

__all__ = [
    "Group",
    "Occurrence",
    "Permutation",
    "PermutationGroups",
    "act",
    "compose",
    "identity",
    "invert",
    "permutation_groups",
    "permute",
    "random_permutation",
    "unfold",
]
