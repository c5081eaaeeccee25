"""Averages of all weights along a run, as estimators: EMA and SWA.

They are one recursion, a mean of the records w(t) with weights that decay:

    n <- decay n + 1        mean <- mean + (w(t) - mean) / n

What is averaged is the motion from a stored record: a mean of the weights themselves
would in float32 lose the motion of one that is much larger than it moves.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int32

from cmd_jax import trees
from cmd_jax.trajectory import Estimator
from cmd_jax.trajectory.estimator import (
    accumulator_dtype,
    check_params,
    motion,
    place_beside,
)
from cmd_jax.types import ArrayLike, Params, PyTree


class AverageState(NamedTuple):
    """A mean of the records so far.

    Attributes:
      num_updates: how many records were given.
      weight: n, the sum of the records' weights; the last one has weight 1.
      origin: the first record that counts; in leaves that are not of floating point the
        last record.
      mean: the mean minus `origin`, at least float32; None in such leaves.
    """

    num_updates: Int32[ArrayLike, "*seeds"]
    weight: Float32[ArrayLike, "*seeds"]
    origin: PyTree
    mean: PyTree


def ema(*, decay: float) -> Estimator:
    """The exponential moving average of the records, debiased.

    The record s updates ago has the weight decay^s, over the sum of all weights: a
    proper mean from the first update on, in which the parameters at `init` have no
    part. With decay 1 it is `swa()`.

    Args:
      decay: above 0, at most 1; about 1 / (1 - decay) records count.

    Returns:
      An estimator whose state has twice the parameters' size.

    Raises:
      ValueError: a decay that is not allowed.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> average = baselines.ema(decay=0.5)
      >>> state = average.init(jnp.zeros(1))
      >>> for value in (4.0, 7.0):
      ...     state = average.update(state, jnp.full(1, value))
      >>> average.params(state).tolist()
      [6.0]

    References:
      B. Polyak and A. Juditsky, "Acceleration of Stochastic Approximation by
      Averaging", SIAM J. Control Optim. 1992. D. Kingma and J. Ba, "Adam", ICLR 2015,
      section 3, for the debiasing.
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"decay is {decay}; allowed are numbers above 0 and at most 1, which is "
            "the plain mean"
        )
    return _running_mean(decay, start_record=0)


def swa(*, start_record: int = 0) -> Estimator:
    """Stochastic weight averaging: the plain mean of the records from one on.

    Before that record the estimate is the last record itself.

    Args:
      start_record: the first record that is averaged; the first update is record 0.

    Returns:
      An estimator whose state has twice the parameters' size.

    Raises:
      ValueError: `start_record` is negative.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> average = baselines.swa(start_record=1)
      >>> state = average.init(jnp.zeros(1))
      >>> for value in (50.0, 1.0, 3.0):
      ...     state = average.update(state, jnp.full(1, value))
      >>> average.params(state).tolist()
      [2.0]

    References:
      P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
      Generalization", UAI 2018.
    """
    if start_record < 0:
        raise ValueError(
            f"start_record is {start_record}; allowed are 0, the first update, and up"
        )
    return _running_mean(1.0, start_record=start_record)


def _running_mean(decay: float, *, start_record: int) -> Estimator:
    """The mean of the records from `start_record` on, with weights that decay."""

    def update(state: AverageState, params: Params) -> AverageState:
        check_params(params, like=state.origin)
        starts = state.num_updates <= start_record
        weight = jnp.where(starts, 1.0, decay * state.weight + 1).astype(jnp.float32)

        def new_origin(leaf: Any, origin: Any) -> Any:
            return jnp.where(starts, leaf, origin) if trees.is_float(leaf) else leaf

        def new_mean(leaf: Any, origin: Any, mean: Any) -> Any:
            if mean is None:
                return None
            return mean + (motion(leaf, origin) - mean) / weight.astype(mean.dtype)

        origin = jax.tree.map(new_origin, params, state.origin)
        mean = jax.tree.map(new_mean, params, origin, state.mean)
        return AverageState(state.num_updates + 1, weight, origin, mean)

    return Estimator(_init_mean, update, _mean_params)


def _init_mean(params: Params) -> AverageState:
    def zeros(leaf: Any) -> Any:
        if not trees.is_float(leaf):
            return None
        return jnp.zeros_like(leaf, accumulator_dtype(leaf))

    return AverageState(
        num_updates=place_beside(np.int32(0), params),
        weight=place_beside(np.float32(0), params),
        origin=jax.tree.map(jnp.copy, params),
        mean=jax.tree.map(zeros, params),
    )


def _mean_params(state: AverageState) -> Params:
    def add(origin: Any, mean: Any) -> Any:
        return origin if mean is None else (origin + mean).astype(origin.dtype)

    return jax.tree.map(add, state.origin, state.mean)
