"""The T×T Gram matrix of a trajectory's records, and combinations of its records.

All that principal components or dynamic modes need of a history. Both are made block by
block in float64, where centring loses nothing, so that a history is never copied.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import numpy as np
import threadpoolctl
from jaxtyping import Float64

from cmd_jax import trees
from cmd_jax.trajectory.blocks import AnyTrajectory, Block, map_blocks
from cmd_jax.types import Params, PyTree

_WIDTH = 2**16  # weights of a leaf that are read at a time
_STEP = 2**12  # and of them in float64

Result = TypeVar("Result")


def gram_matrix(
    trajectory: AnyTrajectory, leaves: list[int], *, centred: bool = True
) -> Float64[np.ndarray, "records records"]:
    """The products of all records with each other, summed over the weights.

    Args:
      trajectory: the records, in memory or stored.
      leaves: numbers of the leaves that count, from `modelled_leaves`.
      centred: whether the mean record is subtracted first.

    Raises:
      ValueError: no leaf counts, or a record is not finite (the message names the
        leaf).
    """
    if centred:
        return sum_over_weights(trajectory, leaves, lambda _, motion: motion @ motion.T)

    def products(mean: np.ndarray, motion: np.ndarray) -> np.ndarray:
        records = mean + motion
        return records @ records.T

    return sum_over_weights(trajectory, leaves, products)


def combine_records(
    trajectory: AnyTrajectory,
    leaves: list[int],
    rows: Float64[np.ndarray, "combinations records"],
    *,
    centred: bool = True,
) -> tuple[Params, PyTree]:
    """Combinations of the records.

    Args:
      trajectory: the records, in memory or stored.
      leaves: numbers of the leaves that count; the others stay put.
      rows: the coefficients of each combination.
      centred: whether the mean record is subtracted first.

    Returns:
      The mean record, with leaves that do not count at their last value, and the
      combinations as float32 leaves [combinations, *leaf], which are 0 there.
    """
    last, structure = jax.tree.flatten(trajectory[len(trajectory) - 1])
    means = [np.array(leaf) for leaf in last]
    combined = [np.zeros((len(rows), *leaf.shape), np.float32) for leaf in means]

    def write(block: Block) -> None:
        target = combined[block.leaf].reshape(len(rows), -1)
        for start, mean, motion in _motions(block):
            part = slice(start, start + len(mean))
            means[block.leaf].reshape(-1)[part] = mean
            target[:, part] = rows @ (motion if centred else mean + motion)

    _map(trajectory, leaves, write)
    return structure.unflatten(means), structure.unflatten(combined)


def sum_over_weights(
    trajectory: AnyTrajectory,
    leaves: list[int],
    function: Callable[[np.ndarray, np.ndarray], Float64[np.ndarray, "..."]],
) -> Float64[np.ndarray, "..."]:
    """The sum of what `function(mean, motion)` gives for some weights at a time.

    Their mean record is [_], their motion about it [records, _].

    Raises:
      ValueError: as `gram_matrix`.
    """
    names = trees.leaf_names(trajectory.template)
    if not leaves:
        raise ValueError(
            f"no leaf counts: the mask leaves out all of {', '.join(names)} that are "
            "of floating point"
        )

    def work(block: Block) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            total = sum(function(mean, motion) for _, mean, motion in _motions(block))
        if not np.isfinite(total).all():
            raise ValueError(
                f"leaf {names[block.leaf]!r} holds values that are not finite: leave "
                "it out by mask, or slice the trajectory before them"
            )
        return np.asarray(total)

    # Leaf by leaf, so that few of the sums are held at a time.
    return np.asarray(sum(sum(_map(trajectory, [leaf], work)) for leaf in leaves))


def _map(
    trajectory: AnyTrajectory, leaves: list[int], function: Callable[[Block], Result]
) -> list[Result]:
    # Blocks are shared out over threads here, so that BLAS shall not do it too.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return map_blocks(trajectory, leaves, function, width=_WIDTH)


def _motions(block: Block) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """A block in parts: offset in the leaf, mean record, the motion about it."""
    for start in range(0, block.stop - block.start, _STEP):
        stop = min(start + _STEP, block.stop - block.start)
        part = block.history[:, start:stop].astype(np.float64)
        mean = part.mean(axis=0)
        yield block.start + start, mean, part - mean
