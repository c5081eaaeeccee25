"""The reference weights of the modes: steps 2 to 5 of CMD (arXiv 2312.13247, §3).

A sample of weights is drawn and correlated once; for any number of modes its clusters,
or a draw of weights without clustering, then give the references.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Int, Int64

from cmd_jax import rng
from cmd_jax.modes.clustering import k_medoids
from cmd_jax.modes.correlation import correlation_matrix
from cmd_jax.modes.histories import gather
from cmd_jax.modes.linkage import hierarchical, references_of
from cmd_jax.modes.sampling import sample_weights
from cmd_jax.trajectory.blocks import AnyTrajectory
from cmd_jax.types import Array, Key, PyTree

METHODS = ("k_medoids", "hierarchical", "random_references")


class Sample(NamedTuple):
    """The weights that are clustered.

    Attributes:
      coordinates: flat coordinates, increasing.
      correlation: their signed correlations; None for "random_references", which
        clusters nothing.
    """

    coordinates: Int64[np.ndarray, " samples"]
    correlation: Float[Array, "samples samples"] | None


def draw_sample(
    trajectory: AnyTrajectory,
    num_samples: int,
    *,
    method: str,
    mask: PyTree = None,
    mesh: Mesh | None = None,
    key: Key,
) -> Sample:
    """Draws the weights to cluster, and correlates them where `method` clusters."""
    coordinates = sample_weights(
        trajectory, num_samples, mask=mask, key=rng.stream(key, "samples")
    )
    if method == "random_references":
        return Sample(coordinates, None)
    histories = gather(trajectory, coordinates)
    return Sample(coordinates, correlation_matrix(histories, mesh=mesh))


def find_references(
    trajectory: AnyTrajectory,
    sample: Sample,
    num_modes: int,
    *,
    method: str,
    num_restarts: int,
    mask: PyTree = None,
    key: Key,
) -> Int64[np.ndarray, " modes"]:
    """The flat coordinates of the references of `num_modes` modes."""
    if sample.correlation is None:
        stream = rng.stream(key, "references")
        return sample_weights(
            trajectory, num_modes, even_share=0.0, mask=mask, key=stream
        )
    central = _cluster(sample.correlation, num_modes, method, num_restarts, key=key)
    return sample.coordinates[central]


def _cluster(
    correlation: Float[Array, "samples samples"],
    num_modes: int,
    method: str,
    num_restarts: int,
    *,
    key: Key,
) -> Int[np.ndarray, " modes"]:
    """The central sample of each mode."""
    if method == "hierarchical":
        labels = hierarchical(correlation, num_modes)
        return references_of(correlation, labels, int(labels.max()) + 1)
    result = k_medoids(
        1 - jnp.abs(correlation), num_modes, num_restarts, key=rng.stream(key, "starts")
    )
    return np.asarray(result.medoids)
