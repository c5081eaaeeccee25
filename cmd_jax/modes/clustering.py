"""k-medoids clustering with random restarts: step 4 of CMD (arXiv 2312.13247, §3)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Bool, Float, Int

from cmd_jax.modes.faster_pam import faster_pam, partition_by
from cmd_jax.types import Array, ArrayLike, Key

# Room for the medoids is a power of two from here on: few programs serve every number
# of modes, and what is computed for the room left over costs little.
_LEAST_ROOM = 16


class KMedoids(NamedTuple):
    """A k-medoids clustering.

    Modes are numbered by decreasing size, those of equal size by their medoid's index.

    Attributes:
      medoids: int32 index of each mode's medoid.
      labels: int32 mode of each sample: that of the nearest medoid.
      cost: sum of the dissimilarities of the samples to their nearest medoids.
      num_swaps: how many swaps were performed.
      converged: whether no single swap lowers the cost.
    """

    medoids: Int[Array, " modes"]
    labels: Int[Array, " samples"]
    cost: Float[Array, ""]
    num_swaps: Int[Array, ""]
    converged: Bool[Array, ""]


def k_medoids(
    dissimilarity: Float[ArrayLike, "samples _"],
    num_modes: int,
    num_restarts: int = 1,
    *,
    max_sweeps: int = 100,
    key: Key,
) -> KMedoids:
    """Clusters samples around `num_modes` of them, the medoids.

    Minimises the sum of dissimilarities to the nearest medoid by FasterPAM from random
    medoids: at the end no exchange of one medoid for another sample lowers it. Of
    several restarts the best is kept. The result is a function of the arguments and the
    key alone.

    Args:
      dissimilarity: a symmetric matrix with zeros on its diagonal, such as
        `1 - abs(correlation)`.
      num_modes: the number of medoids.
      num_restarts: how many random starts to run, one after another.
      max_sweeps: the number of passes over the matrix after which a start gives up;
        three to five are usual.
      key: draws the initial medoids.

    Returns:
      The best clustering found, as `KMedoids`.

    Raises:
      ValueError: the matrix is not square or not finite, or a number is out of range.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> from cmd_jax.modes.clustering import k_medoids
      >>> x = jnp.array([0.0, 10.0, 11.0, 12.0, 1.0])
      >>> result = k_medoids(jnp.abs(x[:, None] - x[None]), 2, key=jax.random.key(0))
      >>> result.labels.tolist(), float(result.cost)
      ([1, 0, 0, 0, 1], 3.0)

    References:
      E. Schubert, P. J. Rousseeuw, "Fast and eager k-medoids clustering: O(k) runtime
      improvement of the PAM, CLARA, and CLARANS algorithms", Information Systems 101,
      2021.
    """
    check_square("dissimilarity", dissimilarity, num_modes)
    for name, value in (("num_restarts", num_restarts), ("max_sweeps", max_sweeps)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    best = _best_of_restarts(
        jnp.asarray(dissimilarity, jnp.float32),
        jax.random.split(key, num_restarts),
        num_modes,
        max_sweeps,
        room=_room(num_modes, len(dissimilarity)),
    )
    return best._replace(medoids=best.medoids[:num_modes])


def _room(num_modes: int, num_samples: int) -> int:
    """The length of the arrays of modes; medoids are distinct samples."""
    return min(max(1 << (num_modes - 1).bit_length(), _LEAST_ROOM), num_samples)


def check_square(name: str, matrix: ArrayLike, num_modes: int) -> None:
    """Raises a ValueError unless `matrix` is square, finite, and has `num_modes` rows.

    Values are looked at only where they are known: not inside a transformation.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"{name} has shape {matrix.shape}; it must be a square matrix, "
            "a row and a column for each sample"
        )
    if not 1 <= num_modes <= len(matrix):
        raise ValueError(
            f"num_modes is {num_modes}; allowed are 1 to {len(matrix)}, "
            f"the number of samples in {name}"
        )
    if isinstance(matrix, Tracer) or _sums_are_finite(matrix):
        return
    bad = np.argwhere(~np.isfinite(np.asarray(matrix)))
    if len(bad):
        row, column = bad[0].tolist()
        raise ValueError(
            f"{name} has {len(bad)} entries that are not finite, the first at "
            f"[{row}, {column}]; leave such samples out"
        )


@jax.jit
def _sums_are_finite(matrix: Array) -> Array:
    # One pass at the speed of memory; a sum may overflow though all terms are finite.
    return jnp.isfinite(matrix @ jnp.ones(len(matrix), matrix.dtype)).all()


@functools.partial(jax.jit, static_argnames="room")
def _best_of_restarts(
    dissimilarity: Array,
    keys: Array,
    num_modes: int | Array,
    max_sweeps: int | Array,
    *,
    room: int,
) -> KMedoids:
    """The best clustering; of its medoids the first `num_modes` mean something."""

    def restart(key: Key) -> KMedoids:
        start = random_medoids(key, len(dissimilarity), room)
        search = faster_pam(dissimilarity, start, num_modes, max_sweeps)
        medoids, labels, cost = _canonical(
            dissimilarity, search.partition.medoids, num_modes
        )
        return KMedoids(medoids, labels, cost, search.num_swaps, search.converged)

    results = lax.map(restart, keys)
    best = jnp.argmin(results.cost)
    return jax.tree.map(lambda leaf: leaf[best], results)


def random_medoids(key: Key, num_samples: int, num_modes: int) -> Int[Array, " modes"]:
    """Distinct samples, drawn uniformly: the start of a search.

    The first of them do not depend on how many are drawn.
    """
    # Where the largest random numbers are: cheaper than a shuffle of all samples.
    _, medoids = lax.top_k(jax.random.uniform(key, (num_samples,)), num_modes)
    return medoids.astype(jnp.int32)


def _canonical(
    dissimilarity: Array, medoids: Array, num_modes: int | Array
) -> tuple[Array, Array, Array]:
    """Medoids, labels and cost, numbered by decreasing size, ties by medoid index."""
    modes = jnp.arange(medoids.size, dtype=jnp.int32)
    beyond = len(dissimilarity)  # no sample: sorted last, and no mode's size counts it
    medoids = jnp.sort(jnp.where(modes < num_modes, medoids, beyond))
    partition = partition_by(dissimilarity, medoids, num_modes)
    # A medoid with a duplicate among the medoids still belongs to its own mode.
    labels = partition.labels.at[medoids].set(modes, mode="drop")
    order = jnp.argsort(-jnp.bincount(labels, length=medoids.size), stable=True)
    rank = jnp.zeros_like(modes).at[order].set(modes)
    return medoids[order], rank[labels], partition.cost
