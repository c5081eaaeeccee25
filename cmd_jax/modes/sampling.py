"""Which weights the correlation matrix is made of: step 2 of CMD (arXiv 2312.13247).

Half of the sample is spread evenly over the leaves and half in proportion to their
sizes, so that a bias is seen beside a large kernel. Weights that never move correlate
with nothing and are left out.
"""

import numpy as np
from jaxtyping import Float64, Int64

from cmd_jax import rng, trees
from cmd_jax.modes.histories import gather
from cmd_jax.trajectory.blocks import AnyTrajectory, Block, map_blocks, modelled_leaves
from cmd_jax.types import Key, PyTree

_WIDTH = 2**16  # weights of a leaf that are looked at at a time


def sample_weights(
    trajectory: AnyTrajectory,
    num_samples: int,
    *,
    even_share: float = 0.5,
    mask: PyTree = None,
    key: Key,
) -> Int64[np.ndarray, " samples"]:
    """Draws distinct weights that move.

    Args:
      trajectory: the records, in memory or stored.
      num_samples: how many weights to draw, exactly.
      even_share: the part of the sample that is spread evenly over the leaves; the rest
        is in proportion to their sizes. 0 draws uniformly from all weights.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.
      key: the same key draws the same weights.

    Returns:
      Flat coordinates, increasing.

    Raises:
      ValueError: no weight moves, fewer than `num_samples` do, or one of those looked
        at is not finite.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> moving, still = np.eye(3, dtype=np.float32), np.ones((3, 9), np.float32)
      >>> trajectory = Trajectory({"a": moving, "b": still}, np.arange(3))
      >>> modes.sample_weights(trajectory, 3, key=jax.random.key(0)).tolist()
      [0, 1, 2]
    """
    sizes = trees.leaf_sizes(trajectory.template)
    starts = np.cumsum(sizes) - sizes
    pools: dict[int, np.ndarray] = {}  # the moving weights of leaves with others too
    leaves = modelled_leaves(trajectory.template, mask)
    while True:
        available = np.array(
            [len(pools[n]) if n in pools else sizes[n] for n in leaves]
        )
        _check_enough(available, num_samples, exact=len(pools) == len(leaves))
        quotas = _quotas(available, num_samples, even_share)
        drawn = []
        for number, quota in zip(leaves, quotas, strict=True):
            leaf_key = rng.stream(key, "sample", number)
            pool = pools.get(number, int(sizes[number]))
            chosen = rng.generator(leaf_key).choice(pool, quota, replace=False)
            drawn.append(starts[number] + np.sort(chosen))
        samples = np.concatenate(drawn)
        still = _leaves_with_constants(trajectory, samples, sizes) - pools.keys()
        if not still:
            return samples.astype(np.int64)
        pools |= {number: _moving(trajectory, number) for number in still}


def count_moving(
    trajectory: AnyTrajectory, *, at_most: int, mask: PyTree = None
) -> int:
    """Counts the weights that move, as far as they can be asked for.

    Leaves are read one after another until there are enough.

    Args:
      trajectory: the records, in memory or stored.
      at_most: where to stop.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.

    Returns:
      `at_most`, or how many move where there are fewer: the largest sample that
      `sample_weights` can draw.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> moving, still = np.eye(3, dtype=np.float32), np.ones((3, 9), np.float32)
      >>> trajectory = Trajectory({"a": moving, "b": still}, np.arange(3))
      >>> modes.count_moving(trajectory, at_most=1000)
      3
    """
    found = 0
    for leaf in modelled_leaves(trajectory.template, mask):
        found += len(_moving(trajectory, leaf))
        if found >= at_most:
            return at_most
    return found


def _check_enough(available: np.ndarray, num_samples: int, *, exact: bool) -> None:
    total = int(available.sum())
    if exact and total == 0:
        raise ValueError(
            "all weights are constant over the records: there is no motion to decompose"
        )
    if num_samples > total:
        raise ValueError(
            f"num_samples is {num_samples}; allowed are at most {total}, the weights "
            "that are modelled and move"
        )


def _quotas(
    available: np.ndarray, num_samples: int, even_share: float
) -> Int64[np.ndarray, " leaves"]:
    """How many weights each leaf gives; they add up to `num_samples`.

    What a leaf is too small to give goes to the others, in proportion to their shares.
    """
    shares: Float64[np.ndarray, " leaves"] = even_share / np.count_nonzero(
        available
    ) + (1 - even_share) * available / max(available.sum(), 1)
    shares = np.where(available > 0, shares, 0)
    quotas = np.zeros(len(available))
    open_leaves = available > 0
    while open_leaves.any():
        left = num_samples - quotas[~open_leaves].sum()
        wanted = left * shares / shares[open_leaves].sum()
        full = open_leaves & (wanted >= available)
        if not full.any():
            quotas[open_leaves] = wanted[open_leaves]
            break
        quotas[full] = available[full]
        open_leaves &= ~full
    return _rounded(quotas, available, num_samples)


def _rounded(
    quotas: np.ndarray, available: np.ndarray, total: int
) -> Int64[np.ndarray, " leaves"]:
    """Whole numbers with the same sum, by the largest remainders."""
    whole = np.floor(quotas + 1e-9).astype(np.int64)
    remainders = np.where(whole < available, quotas - whole, -1)
    order = np.argsort(-remainders, kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole


def _leaves_with_constants(
    trajectory: AnyTrajectory, samples: np.ndarray, sizes: np.ndarray
) -> set[int]:
    histories = gather(trajectory, samples)
    constant = (histories == histories[:1]).all(axis=0)
    leaf, _ = trees.locate(samples[constant], sizes)
    return set(leaf.tolist())


def _moving(trajectory: AnyTrajectory, leaf: int) -> Int64[np.ndarray, " weights"]:
    """The offsets of a leaf's weights that move."""

    def moving(block: Block) -> np.ndarray:
        inside = block.history[:, : block.stop - block.start]
        return block.start + np.flatnonzero((inside != inside[0]).any(axis=0))

    return np.concatenate(map_blocks(trajectory, [leaf], moving, width=_WIDTH))
