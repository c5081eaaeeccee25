"""What chance gives: the whole pipeline on independent random walks.

Unrelated random walks correlate: after 20 records a mean |correlation| of 0.8 with 10
modes says nothing about a network. A measured value is read beside this one.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from cmd_jax import rng
from cmd_jax.modes.decomposition import decompose
from cmd_jax.modes.histories import gather
from cmd_jax.modes.sampling import sample_weights
from cmd_jax.trajectory import Trajectory
from cmd_jax.trajectory.blocks import AnyTrajectory
from cmd_jax.types import Key, PyTree


class NullModel(NamedTuple):
    """What a decomposition finds in independent random walks.

    Attributes:
      correlation: the mean over the walks of |correlation with the reference|.
      r_squared: the mean of its square.
    """

    correlation: float
    r_squared: float


def random_walk_null(
    trajectory: AnyTrajectory,
    *,
    num_modes: int = 10,
    num_samples: int = 1000,
    method: str = "k_medoids",
    num_restarts: int = 1,
    num_walks: int = 20_000,
    mask: PyTree = None,
    key: Key,
) -> NullModel:
    """Decomposes independent random walks as `trajectory` would be.

    Walk i is x_i(t) = Σ_{s<=t} v_s ε_is with ε ~ N(0, 1) independent and no drift; v_s²
    is the mean over weights of Δw_i(s)² / Σ_s Δw_i(s)², measured on `num_samples`
    moving weights drawn uniformly, so that the walks slow down as the training does.

    Args:
      trajectory: gives the number of records and the profile v.
      num_modes: as for `decompose`, and so on.
      num_samples: likewise.
      method: likewise.
      num_restarts: likewise.
      num_walks: how many walks stand for the weights of the network.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.
      key: draws the walks and everything else.

    Returns:
      The means over the walks.

    Raises:
      ValueError: as `decompose`, and where there are fewer walks than samples.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> steps = np.random.default_rng(0).normal(size=(21, 50)).astype(np.float32)
      >>> walks = Trajectory(steps.cumsum(axis=0), np.arange(21))
      >>> null = modes.random_walk_null(
      ...     walks, num_modes=2, num_samples=50, num_walks=2000, key=jax.random.key(0)
      ... )
      >>> 0.6 < null.correlation < 0.8
      True
    """
    found = decompose(
        random_walks(trajectory, num_samples, num_walks, mask=mask, key=key),
        num_modes=num_modes,
        num_samples=num_samples,
        method=method,
        num_restarts=num_restarts,
        key=key,
    )
    return NullModel(found.mean_correlation, found.mean_r_squared)


def random_walks(
    trajectory: AnyTrajectory,
    num_samples: int,
    num_walks: int,
    *,
    mask: PyTree = None,
    key: Key,
) -> Trajectory:
    """The walks of the null, as the single leaf of a trajectory."""
    profile = step_profile(
        trajectory, num_samples, mask=mask, key=rng.stream(key, "profile")
    )
    draws = rng.generator(rng.stream(key, "walks"))
    noise = draws.standard_normal((len(profile), num_walks), np.float32)
    walks = np.zeros((len(trajectory), num_walks), np.float32)
    np.cumsum(noise * profile[:, None].astype(np.float32), axis=0, out=walks[1:])
    return Trajectory({"walks": walks}, np.asarray(trajectory.steps))


def step_profile(
    trajectory: AnyTrajectory, num_samples: int, *, mask: PyTree = None, key: Key
) -> Float64[np.ndarray, " steps"]:
    """v_s: the typical size of a moving weight's s-th step, with Σ_s v_s² = 1."""
    chosen = sample_weights(trajectory, num_samples, even_share=0.0, mask=mask, key=key)
    steps = np.diff(gather(trajectory, chosen).astype(np.float64), axis=0)
    return np.sqrt((steps**2 / (steps**2).sum(axis=0)).mean(axis=1))
