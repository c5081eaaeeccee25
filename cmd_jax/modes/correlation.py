"""Correlations of weight histories over time: step 3 of CMD (arXiv 2312.13247, §3).

The matrix is signed; CMD clusters by its absolute value. Normalising comes before the
product, so that the [weights, weights] array is written once.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Float, Int

from cmd_jax import host, sharding
from cmd_jax.types import Array, ArrayLike


def correlation_matrix(
    histories: Float[ArrayLike, "records weights"], *, mesh: Mesh | None = None
) -> Float[Array, "weights weights"]:
    """Pearson correlation over time of every pair of weights.

    Safe in float32 for weights that hardly move: accurate to about 1e-6 also where a
    weight's mean is 1e4 times the standard deviation of its motion. A weight that never
    moved (its maximum equals its minimum exactly) correlates 0 with every other one.

    Args:
      histories: one column per weight, its value at each record.
      mesh: the devices over which the rows of the product are shared out, from
        `sharding.make_mesh`; every process of the mesh calls with the same histories.

    Returns:
      The signed correlations, float32 in [-1, 1], the diagonal exactly 1. Over a mesh
      every process gets the whole matrix.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.modes.correlation import correlation_matrix
      >>> histories = jnp.array([[0.0, 5.0, 1.0], [1.0, 4.0, 1.0], [3.0, 2.0, 1.0]])
      >>> correlation_matrix(histories).round(3).tolist()
      [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if mesh is None:
        return _correlations(histories, jnp.arange(histories.shape[1]))
    return _over_mesh(histories, mesh)


def _over_mesh(histories: ArrayLike, mesh: Mesh) -> Array:
    num_weights = histories.shape[1]
    each = -(-num_weights // mesh.size)
    rows = jax.shard_map(
        lambda histories: _correlations(
            histories,
            # The last rows stand for no weight where the rows do not come out even.
            (jax.lax.axis_index(sharding.AXIS) * each + jnp.arange(each)),
        ),
        mesh=mesh,
        in_specs=PartitionSpec(),
        out_specs=PartitionSpec(sharding.AXIS),
    )
    copied = sharding.place(histories, sharding.replicated(mesh))
    return jnp.asarray(host.fetch(jax.jit(rows)(copied))[:num_weights])


@jax.jit
def _correlations(
    histories: Float[ArrayLike, "records weights"], rows: Int[Array, " rows"]
) -> Float[Array, "rows weights"]:
    """Some rows of the matrix."""
    directions = _directions(jnp.asarray(histories, jnp.float32))
    chosen = jnp.take(directions, rows, axis=1, mode="clip")
    correlation = _product(chosen.T, directions).clip(-1, 1)
    return jnp.where(
        rows[:, None] == jnp.arange(directions.shape[1])[None], 1, correlation
    )


def _directions(
    histories: Float[Array, "records weights"],
) -> Float[Array, "records weights"]:
    """Each column centred and scaled to unit length; zero where it is constant."""
    # Differences to the first record are exact where a weight moves little against its
    # size. The largest of them is a scale that neither overflows nor underflows when it
    # is squared, and is 0 for a constant weight only.
    motion = histories - histories[:1]
    largest = jnp.abs(motion).max(axis=0, keepdims=True)
    motion = motion / jnp.where(largest > 0, largest, 1)
    # Sums over time are products with a row of ones: XLA's CPU reductions over the
    # leading axis are slow.
    ones = jnp.ones((1, len(motion)), motion.dtype)
    centred = motion - _product(ones, motion) / len(motion)
    norm = jnp.sqrt(_product(ones, centred**2))
    return centred / jnp.where(largest > 0, norm, 1)


def _product(left: Array, right: Array) -> Array:
    # In full float32: GPUs and TPUs otherwise round the factors to fewer bits.
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)
