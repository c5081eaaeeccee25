"""Configs: the fields that every run has, arguments of a config file, and the hash.

A file `configs/<name>.py` defines `get_config(argument=None) -> ConfigDict` and, where
it sweeps, `sweep()`: a list of dicts of overrides, run in order. It starts from
`defaults()`, which is where a field's meaning is written down.
"""

from cmd_jax.config.blocks import (
    defaults,
    embedding,
    estimators,
    modes,
    subspace,
)
from cmd_jax.config.identity import differences, digest, to_dict
from cmd_jax.config.image_blocks import shrink_row, table_1_row, table_1_subspaces
from cmd_jax.config.least_action_blocks import (
    least_action,
    least_action_budget,
    least_action_images,
    shrink_least_action,
)
from cmd_jax.config.loading import find, load, names, overrides, parse_argument
from cmd_jax.config.phase_blocks import phase_diagram, shrink_diagram

__all__ = [
    "defaults",
    "differences",
    "digest",
    "embedding",
    "estimators",
    "find",
    "least_action",
    "least_action_budget",
    "least_action_images",
    "load",
    "modes",
    "names",
    "overrides",
    "parse_argument",
    "phase_diagram",
    "shrink_diagram",
    "shrink_least_action",
    "shrink_row",
    "subspace",
    "table_1_row",
    "table_1_subspaces",
    "to_dict",
]
