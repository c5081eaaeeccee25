"""The reference weights of online CMD: where they are in a network, and their moments.

They are read from the parameters and written into them, some scalars of each leaf; all
other weights follow them by their modes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int32

from cmd_jax import trees
from cmd_jax.types import Array, ArrayLike, Params, PyTree

_OUTSIDE = np.iinfo(np.int32).max  # an index that a scatter drops


class OnlineReferences(NamedTuple):
    """Where the reference weights are, and their moments; one scalar for each mode.

    Attributes:
      leaf: the leaf's number in tree order.
      offset: the offset in the raveled leaf.
      origin: the first fitted record.
      last: the last record.
      mean: r̄, minus `origin`.
      spread: S, the sum of the squared distances from the mean.
    """

    leaf: Int32[ArrayLike, "*seeds modes"]
    offset: Int32[ArrayLike, "*seeds modes"]
    origin: Float32[ArrayLike, "*seeds modes"]
    last: Float32[ArrayLike, "*seeds modes"]
    mean: Float32[ArrayLike, "*seeds modes"]
    spread: Float32[ArrayLike, "*seeds modes"]

    @property
    def shift(self) -> Array:
        """How far the last record is from the mean, r - r̄."""
        return jnp.subtract(self.last, self.origin) - self.mean


def locate_references(
    coordinates: np.ndarray,
    history: Float32[np.ndarray, "records modes"],
    template: PyTree,
) -> OnlineReferences:
    """The references of a decomposition; their moments are computed in float64."""
    leaf, offset = trees.locate(coordinates, trees.leaf_sizes(template))
    moved = history.astype(np.float64) - history[0]
    mean = moved.mean(axis=0)
    return OnlineReferences(
        leaf=leaf.astype(np.int32),
        offset=offset.astype(np.int32),
        origin=history[0],
        last=history[-1],
        mean=mean.astype(np.float32),
        spread=((moved - mean) ** 2).sum(axis=0).astype(np.float32),
    )


def follow(
    references: OnlineReferences, params: Params, n: Array, forgetting: Array
) -> tuple[OnlineReferences, Float32[Array, " modes"]]:
    """The references with one more record.

    Args:
      references: as they were.
      params: the new record.
      n: the effective number of records, with this one.
      forgetting: λ.

    Returns:
      The references, and δ, how far each is from its mean before this record.
    """
    moved = references._replace(last=read(references, params))
    new = moved._replace(mean=references.mean + moved.shift / n)
    spread = forgetting * references.spread + moved.shift * new.shift
    return new._replace(spread=spread), moved.shift


def read(references: OnlineReferences, params: Params) -> Float32[Array, " modes"]:
    """The references' values in the parameters."""
    values = jnp.zeros(references.leaf.shape, jnp.float32)
    for number, leaf in enumerate(jax.tree.leaves(params)):
        if trees.is_float(leaf) and leaf.size:
            found = jnp.atleast_1d(leaf)[_index(references, leaf)]
            values = jnp.where(references.leaf == number, found, values)
    return values


def write(references: OnlineReferences, params: Params) -> Params:
    """The parameters with the references' values at the last record."""
    leaves, structure = jax.tree.flatten(params)
    for number, leaf in enumerate(leaves):
        if trees.is_float(leaf) and leaf.size:
            row, *rest = _index(references, leaf)
            row = jnp.where(references.leaf == number, row, _OUTSIDE)
            values = jnp.asarray(references.last, leaf.dtype)
            written = jnp.atleast_1d(leaf).at[(row, *rest)].set(values, mode="drop")
            leaves[number] = written.reshape(leaf.shape)
    return structure.unflatten(leaves)


def _index(references: OnlineReferences, leaf: Any) -> tuple[Array, ...]:
    """Where the references would be in a leaf; anywhere in it for those of others.

    One index per axis: a leaf in parts on several devices need not be put together.
    """
    return jnp.unravel_index(references.offset, leaf.shape or (1,))
