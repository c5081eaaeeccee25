"""Averages of the weights along a run, as estimators: EMA, SWA and LAWA.

EMA and SWA are one recursion, a mean of the records w(t) with weights that decay:

    n <- decay n + 1        mean <- mean + (w(t) - mean) / n

All three average the motion from a stored record and not the weights, which in float32
loses the motion of a weight that is much larger than it moves.
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
from cmd_jax.types import Array, ArrayLike, Params, PyTree


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


class WindowState(NamedTuple):
    """The last records.

    Attributes:
      num_updates: how many records were given.
      records: leaves [num_records, ...], record t at place t modulo num_records; leaves
        that are not of floating point are those of the last record.
    """

    num_updates: Int32[ArrayLike, "*seeds"]
    records: PyTree


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
        dtype = accumulator_dtype(leaf)
        return jnp.zeros_like(leaf, dtype) if trees.is_float(leaf) else None

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


def lawa(*, num_records: int) -> Estimator:
    """Latest weight averaging: the plain mean of the last records.

    While there are fewer, it is the mean of those.

    Args:
      num_records: how many records are averaged, and kept, at least 1.

    Returns:
      An estimator whose state has `num_records` times the parameters' size.

    Raises:
      ValueError: `num_records` is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> average = baselines.lawa(num_records=2)
      >>> state = average.init(jnp.zeros(1))
      >>> for value in (50.0, 1.0, 3.0):
      ...     state = average.update(state, jnp.full(1, value))
      >>> average.params(state).tolist()
      [2.0]

    References:
      J. Kaddour, "Stop Wasting My Time! Saving Days of ImageNet and BERT Training with
      Latest Weight Averaging", 2022. S. Sanyal et al., "Early Weight Averaging meets
      High Learning Rates for LLM Pre-training", 2023.
    """
    if num_records < 1:
        raise ValueError(f"num_records is {num_records}; allowed are 1 and up")

    def init(params: Params) -> WindowState:
        def repeat(leaf: Any) -> Array:
            shape = (num_records, *leaf.shape) if trees.is_float(leaf) else leaf.shape
            return jnp.copy(jnp.broadcast_to(leaf, shape))

        num_updates = place_beside(np.int32(0), params)
        return WindowState(num_updates, jax.tree.map(repeat, params))

    def update(state: WindowState, params: Params) -> WindowState:
        check_params(params, like=jax.tree.map(_one_record, state.records))
        place = state.num_updates % num_records

        def write(records: Any, leaf: Any) -> Any:
            return records.at[place].set(leaf) if trees.is_float(leaf) else leaf

        records = jax.tree.map(write, state.records, params)
        return WindowState(state.num_updates + 1, records)

    return Estimator(init, update, _window_params)


def _one_record(records: Any) -> jax.ShapeDtypeStruct:
    shape = records.shape[1:] if trees.is_float(records) else records.shape
    return jax.ShapeDtypeStruct(shape, records.dtype)


@jax.jit  # its loop would be compiled anew in each call
def _window_params(state: WindowState) -> Params:
    def mean(records: Any) -> Any:
        if not trees.is_float(records):
            return records
        num_filled = jnp.clip(state.num_updates, 1, len(records))
        first, dtype = records[0], accumulator_dtype(records)

        def add(number: Any, total: Any) -> Any:
            return total + motion(records[number], first)

        # A loop: XLA CPU sums over the first axis at less than 1 GB/s.
        total = jax.lax.fori_loop(1, num_filled, add, jnp.zeros_like(first, dtype))
        return (first + total / num_filled).astype(first.dtype)

    return jax.tree.map(mean, state.records)
