"""The average of the last records of a run, as an estimator: LAWA."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32

from cmd_jax import trees
from cmd_jax.trajectory import Estimator
from cmd_jax.trajectory.estimator import (
    accumulator_dtype,
    check_params,
    motion,
    place_beside,
)
from cmd_jax.types import Array, ArrayLike, Params, PyTree


class WindowState(NamedTuple):
    """The last records.

    Attributes:
      num_updates: how many records were given.
      records: leaves [num_records, ...], record t at place t modulo num_records; leaves
        that are not of floating point are those of the last record.
    """

    num_updates: Int32[ArrayLike, "*seeds"]
    records: PyTree


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
