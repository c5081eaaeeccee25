"""One pass over a history, leaf by leaf and block by block, on every core.

A history may be larger than memory, so it is never copied as a whole. A block holds a
few weights as their *motion*, the differences of the later records to the first: exact
in float32 also where a weight is much larger than its motion. Blocks fit into a
processor's cache and have two widths only (the rest of a leaf is padded with weights
that do not move), so that a jitted function of a block is compiled at most twice.
"""

import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float32

from cmd_jax import trees
from cmd_jax.trajectory import StoredTrajectory, Trajectory

AnyTrajectory = Trajectory | StoredTrajectory

_BLOCK_BYTES = 2**22  # of a wide block's motion
_NARROW = 2048  # weights of a block for small leaves such as biases
_ALIGNMENT = 64  # bytes: JAX reads aligned NumPy arrays on a CPU without a copy

Result = TypeVar("Result")


class Block(NamedTuple):
    """Some weights of a leaf over all records.

    Attributes:
      leaf: the leaf's number in tree order.
      start: the first weight's offset in the raveled leaf.
      stop: the offset after the last.
      origin: the weights at the first record; zero beyond `stop - start`.
      motion: the later records minus the first; zero beyond `stop - start`.
    """

    leaf: int
    start: int
    stop: int
    origin: Float32[np.ndarray, " weights"]
    motion: Float32[np.ndarray, "_ weights"]


def map_blocks(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    function: Callable[[Block], Result],
) -> list[Result]:
    """Calls `function` with each block of the leaves; its results in order.

    Blocks are shared out over threads, and their arrays are used again for the next
    block: `function` must be done with them when it returns. The first exception that
    it raises, in the order of the blocks, is raised here.

    Args:
      trajectory: what to read.
      leaves: numbers of the leaves to read, which are of floating point.
      function: called from several threads at a time.
    """
    trajectory = on_host(trajectory)
    sizes = trees.leaf_sizes(trajectory.template)
    width = _width(len(trajectory))
    ranges = [
        (leaf, start, min(start + width, int(sizes[leaf])))
        for leaf in leaves
        for start in range(0, int(sizes[leaf]), width)
    ]
    num_threads = max(1, min(os.cpu_count() or 1, len(ranges)))
    shares = [ranges[first::num_threads] for first in range(num_threads)]

    def work(share: list[tuple[int, int, int]]) -> list[Result | Exception]:
        return list(_until_error(_read_blocks(trajectory, share, width), function))

    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        results = list(pool.map(work, shares))
    return list(_in_order(results))


def on_host(trajectory: AnyTrajectory) -> AnyTrajectory:
    """The trajectory with NumPy leaves; on a CPU they are views of the JAX ones."""
    if isinstance(trajectory, StoredTrajectory):
        return trajectory
    params = jax.tree.map(np.asarray, trajectory.params)
    return dataclasses.replace(trajectory, params=params)


def _width(num_records: int) -> int:
    """Weights of a wide block."""
    return max(_NARROW, _BLOCK_BYTES // (4 * num_records) // 1024 * 1024)


def _until_error(
    blocks: Iterable[Block], function: Callable[[Block], Result]
) -> Iterator[Result | Exception]:
    """The results up to the first exception, which comes last."""
    try:
        yield from map(function, blocks)
    except Exception as error:
        yield error


def _in_order(shares: list[list[Any]]) -> Iterator[Any]:
    """The results of blocks that were dealt out in turn; raises the first exception."""
    for result in itertools.chain.from_iterable(itertools.zip_longest(*shares)):
        if isinstance(result, Exception):
            raise result
        if result is not None:
            yield result


def _read_blocks(
    trajectory: AnyTrajectory, ranges: list[tuple[int, int, int]], width: int
) -> Iterator[Block]:
    origins, motions = {}, {}
    for size in (_NARROW, width):
        origins[size] = _aligned((size,))
        motions[size] = _aligned((len(trajectory) - 1, size))
    for leaf, start, stop in ranges:
        size = _NARROW if stop - start <= _NARROW else width
        history = trajectory.read(leaf, start, stop)
        origin, motion = origins[size], motions[size]
        origin[: stop - start] = history[0]
        origin[stop - start :] = 0
        with np.errstate(invalid="ignore"):  # inf - inf: reported by the caller
            np.subtract(history[1:], history[0], out=motion[:, : stop - start])
        motion[:, stop - start :] = 0
        yield Block(leaf, start, stop, origin, motion)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    size = 4 * int(np.prod(shape))
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].view(np.float32).reshape(shape)
