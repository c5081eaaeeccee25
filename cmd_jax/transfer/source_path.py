"""The source's way through weight space: θ^0, θ^1, …, θ^T (arXiv 2305.14122, §3.3).

By default it is the straight line from the first record of a trajectory to the last,

    θ^t = (1 - λ_t) θ^0 + λ_t θ^T        0 = λ_0 ≤ … ≤ λ_T = 1

which transfers better than the recorded path, and needs two records only.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64

from cmd_jax.spelling import did_you_mean
from cmd_jax.trajectory import StoredTrajectory, Trajectory, interpolate
from cmd_jax.types import Params

AnyTrajectory = Trajectory | StoredTrajectory
SCHEDULES = ("uniform", "cosine")
PATHS = ("linear", "recorded")


@dataclasses.dataclass(frozen=True, eq=False)
class SourcePath:
    """The networks that a source passes through in T steps.

    Attributes:
      trajectory: the source's records.
      start: the first of them, its initialisation.
      end: the last.
      shares: λ_1, …, λ_T of a straight line; None for the records as they are.
    """

    trajectory: AnyTrajectory
    start: Params
    end: Params
    shares: Float64[np.ndarray, " steps"] | None

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.trajectory) - 1 if self.shares is None else len(self.shares)

    def towards(self, step: int) -> tuple[Params, float]:
        """`(end, share)`: θ^step lies at that share of the way from start to end."""
        if step == 0:
            return self.end, 0.0
        if self.shares is None:
            return jax.device_put(self.trajectory[step]), 1.0
        return self.end, float(self.shares[step - 1])

    def at(self, step: int) -> Params:
        """θ^step."""
        return _interpolate(self.start, *self.towards(step))


_interpolate = jax.jit(interpolate)


def source_path(
    trajectory: AnyTrajectory, *, path: str, shares: Any, num_steps: int
) -> SourcePath:
    """The path of `num_steps` steps that options ask for.

    Args:
      trajectory: the source's records.
      path: "linear" or "recorded".
      shares: "uniform", "cosine" (large steps first), or λ_1, …, λ_T.
      num_steps: T.

    Raises:
      ValueError: fewer than two records, an unknown name, or numbers that do not fit.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps is {num_steps}; it must be at least 1")
    if len(trajectory) < 2:
        raise ValueError(
            f"the source has {len(trajectory)} record: a transfer needs its "
            "initialisation and its trained weights, the first and the last record"
        )
    if path not in PATHS:
        raise ValueError(
            f"unknown path {path!r}{did_you_mean(path, PATHS)}; allowed are "
            f"{', '.join(PATHS)}"
        )
    start, end = jax.device_put((trajectory[0], trajectory[len(trajectory) - 1]))
    if path == "linear":
        return SourcePath(trajectory, start, end, step_shares(shares, num_steps))
    if not isinstance(shares, str) or shares != "uniform":
        raise ValueError(
            f"shares is {shares!r}, which a recorded path has no use for: leave it out"
        )
    if len(trajectory) != num_steps + 1:
        raise ValueError(
            f"the source has {len(trajectory)} records, and a recorded path of "
            f"{num_steps} steps needs {num_steps + 1}: slice the trajectory, or take "
            f"num_steps={len(trajectory) - 1}"
        )
    return SourcePath(trajectory, start, end, None)


def step_shares(shares: Any, num_steps: int) -> Float64[np.ndarray, " steps"]:
    """λ_1, …, λ_T by name or as given.

    The increments of "cosine" are in proportion to 1 + cos(π t / T), t = 0, …, T - 1,
    as the learning rates of a cosine schedule are.

    Raises:
      ValueError: an unknown name, or other than T numbers that never fall, up to 1.

    Example:
      >>> from cmd_jax.transfer import step_shares
      >>> step_shares("cosine", 2).round(3).tolist()
      [0.667, 1.0]
    """
    if isinstance(shares, str):
        if shares not in SCHEDULES:
            raise ValueError(
                f"shares is {shares!r}{did_you_mean(shares, SCHEDULES)}; allowed are "
                f"{', '.join(SCHEDULES)}, or an array of {num_steps} numbers"
            )
        if shares == "uniform":
            return np.arange(1, num_steps + 1) / num_steps
        weights = 1 + np.cos(np.pi * np.arange(num_steps) / num_steps)
        return weights.cumsum() / weights.sum()
    given = np.asarray(shares, np.float64)
    rising = given.ndim == 1 and np.all(np.diff(given, prepend=0.0) >= 0)
    if given.shape != (num_steps,) or not rising or abs(given[-1] - 1) > 1e-9:
        raise ValueError(
            f"shares is {given.tolist()}; allowed are {num_steps} numbers that never "
            "fall, from 0 or more to 1"
        )
    return given
