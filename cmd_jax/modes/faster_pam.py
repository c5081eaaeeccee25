"""FasterPAM's search: swaps of a medoid for another sample until none lowers the cost.

Schubert & Rousseeuw 2021, §3: the first swap found is performed at once, and what a
swap changes splits into a part shared by all medoids and the loss by removing one. With
n the distance of a sample to its nearest medoid and s that to its second nearest,
replacing medoid m by x changes the cost by

    Σ_o min(d(x, o) - n(o), 0)  +  Σ_{o of m} clip(d(x, o), n(o), s(o)) - n(o)

where the last sum is a product with the one-hot labels. So a block of rows gives every
swap of its samples in one read, in operations that run well on a CPU and on a GPU.

How many medoids there are is a traced number: arrays of modes may be longer, and what
they hold beyond it has no meaning. One program serves every number of modes.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float, Int

from cmd_jax.types import Array

# Rows: enough for a fast product, few enough to swap eagerly and to stay in the cache.
_BLOCK_SIZE = 128


class Partition(NamedTuple):
    """The samples assigned to their nearest medoids, and what the next swap needs."""

    medoids: Int[Array, " modes"]
    labels: Int[Array, " samples"]
    nearest: Float[Array, " samples"]  # distance to the nearest medoid
    second: Float[Array, " samples"]  # distance to the second nearest; inf if none
    cost: Float[Array, ""]


class Search(NamedTuple):
    """Where the search stands: it is done after one sweep without a swap."""

    partition: Partition
    num_visits: Int[Array, ""]  # of blocks
    num_quiet: Int[Array, ""]  # visits since the last swap
    num_swaps: Int[Array, ""]
    converged: Bool[Array, ""]


def faster_pam(
    dissimilarity: Float[Array, "samples samples"],
    medoids: Int[Array, " modes"],
    num_modes: int | Array,
    max_sweeps: int | Array,
) -> Search:
    """Swaps until no single swap lowers the cost, or for `max_sweeps` sweeps.

    Args:
      dissimilarity: the dissimilarity to sample i is row i.
      medoids: the distinct samples to start from, and what fills the array.
      num_modes: how many of them are medoids: the first ones.
      max_sweeps: how often the whole matrix is read at most.

    Returns:
      The end of the search.
    """
    num_samples = len(dissimilarity)
    block_size = min(_BLOCK_SIZE, num_samples)
    num_blocks = -(-num_samples // block_size)

    def unfinished(search: Search) -> Array:
        return ~search.converged & (search.num_visits < max_sweeps * num_blocks)

    def visit(search: Search) -> Search:
        # The last block starts early rather than being short.
        start = search.num_visits % num_blocks * block_size
        start = jnp.minimum(start, num_samples - block_size)
        rows = lax.dynamic_slice_in_dim(dissimilarity, start, block_size)
        replacements, changes = _best_replacements(rows, search.partition)
        partition, swaps = _swap(
            dissimilarity, start + replacements, changes, search.partition, num_modes
        )
        num_quiet = jnp.where(swaps > 0, 0, search.num_quiet + 1)
        return Search(
            partition,
            search.num_visits + 1,
            num_quiet,
            search.num_swaps + swaps,
            converged=num_quiet >= num_blocks,
        )

    zero = jnp.int32(0)
    start = partition_by(dissimilarity, medoids, num_modes)
    return lax.while_loop(
        unfinished, visit, Search(start, zero, zero, zero, jnp.bool_(False))
    )


def _swap(
    dissimilarity: Array,
    candidates: Array,
    changes: Array,
    partition: Partition,
    num_modes: int | Array,
) -> tuple[Partition, Array]:
    """Tries one replacement of each medoid; returns also how many were kept.

    A change goes out of date with the next swap, so it only proposes: the cost decides.
    As the cost only ever falls, rounding cannot make the search go round in circles.
    """

    def attempt(mode: Array, carry: tuple[Partition, Array]):
        partition, swaps = carry

        def swapped():
            medoids = partition.medoids.at[mode].set(candidates[mode])
            new = partition_by(dissimilarity, medoids, num_modes)
            better = new.cost < partition.cost
            kept = jax.tree.map(functools.partial(jnp.where, better), new, partition)
            return kept, swaps + better

        return lax.cond(changes[mode] < 0, swapped, lambda: carry)

    return lax.fori_loop(0, num_modes, attempt, (partition, jnp.int32(0)))


def _best_replacements(
    rows: Float[Array, "block samples"], partition: Partition
) -> tuple[Int[Array, " modes"], Float[Array, " modes"]]:
    """The row that would best replace each medoid, and the change of the cost."""
    nearest, second = partition.nearest[None], partition.second[None]
    shared = jnp.minimum(rows - nearest, 0)
    removal = jnp.clip(rows, nearest, second) - nearest
    members = jax.nn.one_hot(partition.labels, partition.medoids.size, dtype=rows.dtype)
    ones = jnp.ones(rows.shape[1], rows.dtype)
    product = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    changes = product(shared, ones)[:, None] + product(removal, members)
    return changes.argmin(axis=0).astype(jnp.int32), changes.min(axis=0)


def partition_by(
    dissimilarity: Float[Array, "samples samples"],
    medoids: Int[Array, " modes"],
    num_modes: int | Array,
) -> Partition:
    """Assigns every sample to its nearest medoid, the first one in a tie."""

    def add(mode: Array, carry: tuple[Array, Array, Array]):
        labels, nearest, second = carry
        row = dissimilarity[medoids[mode]]
        second = jnp.minimum(second, jnp.maximum(nearest, row))
        labels = jnp.where(row < nearest, mode, labels)
        return labels, jnp.minimum(nearest, row), second

    first = dissimilarity[medoids[0]]
    start = (jnp.zeros(first.shape, jnp.int32), first, jnp.full_like(first, jnp.inf))
    labels, nearest, second = lax.fori_loop(1, num_modes, add, start)
    return Partition(medoids, labels, nearest, second, nearest.sum())
