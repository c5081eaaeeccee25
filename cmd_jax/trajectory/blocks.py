"""One pass over a history, leaf by leaf and block by block, on every core.

A history may be larger than memory, so it is never copied as a whole. Blocks have two
widths only (the rest of a leaf is padded with weights that do not move), so that a
jitted function of a block is compiled at most twice. Where the history lies in memory,
or in a memory map, as JAX can read it in place, a block is a view of it.
"""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float32

from cmd_jax import host, processes, trees
from cmd_jax.trajectory.history import Trajectory
from cmd_jax.trajectory.stored import StoredTrajectory
from cmd_jax.types import PyTree

AnyTrajectory = Trajectory | StoredTrajectory

NARROW = 2**14  # weights of a block where a leaf is small, or at its end
_ALIGNMENT = 64  # bytes: JAX reads aligned NumPy arrays on a CPU without a copy

Result = TypeVar("Result")


class Block(NamedTuple):
    """Some weights of a leaf over all records.

    Attributes:
      leaf: the leaf's number in tree order.
      start: the first weight's offset in the raveled leaf.
      stop: the offset after the last.
      history: the weights at each record; zero beyond `stop - start`. Each row is
        contiguous and aligned.
    """

    leaf: int
    start: int
    stop: int
    history: Float32[np.ndarray, "records _"]


def map_blocks(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    function: Callable[[Block], Result],
    *,
    width: int,
) -> list[Result]:
    """Calls `function` with each block of the leaves; its results in order.

    Blocks are shared out over threads, and their memory is used again for the next
    block: `function` must be done with it when it returns. The first exception that it
    raises, in the order of the blocks, is raised here.

    Args:
      trajectory: what to read.
      leaves: numbers of the leaves to read, which are of floating point.
      function: called from several threads at a time.
      width: weights of a block, a multiple of 16; the rest of a leaf comes in blocks of
        `NARROW`.
    """
    trajectory = on_host(trajectory)
    sizes = trees.leaf_sizes(trajectory.template)
    ranges = [r for leaf in leaves for r in _cut(leaf, int(sizes[leaf]), width)]
    num_threads = max(1, min(processes.usable_cores(), len(ranges)))
    shares = [ranges[first::num_threads] for first in range(num_threads)]

    def work(share: list[tuple[int, int, int]]) -> list[Result | Exception]:
        return list(_until_error(_read_blocks(trajectory, share, width), function))

    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        results = list(pool.map(work, shares))
    return list(_in_order(results))


def modelled_leaves(template: PyTree, mask: PyTree) -> list[int]:
    """Numbers of the leaves that are modelled: of floating point, True in `mask`.

    Raises:
      ValueError: `mask` is no pytree prefix of the parameters.
    """
    flags = trees.broadcast_mask(mask, template)
    leaves = jax.tree.leaves(template)
    return [
        number
        for number, (leaf, flag) in enumerate(zip(leaves, flags, strict=True))
        if flag and trees.is_float(leaf)
    ]


def on_host(trajectory: AnyTrajectory) -> AnyTrajectory:
    """The trajectory with NumPy leaves; on a CPU they are views of the JAX ones."""
    if isinstance(trajectory, StoredTrajectory):
        return trajectory
    params = jax.tree.map(_as_numpy, trajectory.params)
    return dataclasses.replace(trajectory, params=params)


def _as_numpy(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return host.fetch(leaf)
    return np.asarray(leaf)


def _cut(leaf: int, size: int, width: int) -> Iterator[tuple[int, int, int]]:
    """A leaf as (leaf, start, stop): wide ranges, then narrow ones."""
    start = 0
    while start < size:
        stop = min(start + (width if size - start >= width else NARROW), size)
        yield leaf, start, stop
        start = stop


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
    memory: dict[int, np.ndarray] = {}  # by width, made when it is needed
    for leaf, start, stop in ranges:
        history = np.asarray(trajectory.read(leaf, start, stop))
        size = stop - start if stop - start in (width, NARROW) else NARROW
        if size != stop - start or not _is_aligned(history):
            if size not in memory:
                memory[size] = aligned((len(trajectory), size))
            memory[size][:, : stop - start] = history
            memory[size][:, stop - start :] = 0
            history = memory[size]
        yield Block(leaf, start, stop, history)


def _is_aligned(history: np.ndarray) -> bool:
    """Whether JAX can read every row of a history in place."""
    row_step, weight_step = history.strides
    address = history.ctypes.data
    return (
        history.dtype == np.float32
        and weight_step == history.itemsize
        and address % _ALIGNMENT == row_step % _ALIGNMENT == 0
    )


def aligned(shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    """Memory, not set, that JAX reads in place on a CPU."""
    size = 4 * int(np.prod(shape))
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].view(np.float32).reshape(shape)
