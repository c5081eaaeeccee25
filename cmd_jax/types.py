"""Aliases for arrays and pytrees, and the one list of dimension words.

Shapes are written with jaxtyping, always in these words:

=========  ==========================================================
records    snapshots of a trajectory, in time order
weights    scalar parameters, in tree order (each leaf raveled, C order)
modes      clusters of correlated weights (M)
samples    weights drawn for the correlation matrix (K)
batch      examples of a mini-batch
examples   examples of a data set
classes    outputs of a classifier
tokens     places of a sequence: characters of a text, patches of an image
leaves     arrays of the parameters, in tree order
steps      optimizer steps of a chunk
seeds      replicas of a run
points     mini-batch sizes of a phase diagram
blocks     residual blocks of a network, in order
stages     runs of residual blocks that share one shape
units      neurons or channels of a permutation group
=========  ==========================================================
"""

from typing import Any

import jax
import numpy as np

Array = jax.Array
"""A JAX array."""

ArrayLike = jax.Array | np.ndarray
"""A JAX or a NumPy array."""

Key = jax.Array
"""A typed PRNG key, as made by `jax.random.key`."""

Params = Any
"""Any pytree of arrays: the parameters of a network."""

PyTree = Any
"""Any pytree."""
