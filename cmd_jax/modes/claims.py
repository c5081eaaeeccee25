"""What the papers claim of the modes of trained networks, as numbers.

Every mode is spread over all layers (arXiv 2312.13247): `layer_spread` compares where a
mode's weights lie with where all weights lie. The signed correlation matrix has two
anti-correlated blocks (arXiv 2212.09040), one mode under |correlation|: `two_blocks`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int8, Integer

from cmd_jax import rng
from cmd_jax.types import ArrayLike, Key

_NUM_DRAWS = 100


class LayerSpread(NamedTuple):
    """How each mode spreads over the leaves, and how a random set of weights would.

    Attributes:
      num_leaves: leaves with weights of the mode.
      overlap: Σ over the leaves of min(share of the mode's weights, share of all
        weights): 1 where the mode lies in the leaves as all weights do, near 0 where it
        keeps to itself in small leaves; NaN for a mode without weights.
      chance_num_leaves: the mean of the first for as many weights, drawn at random.
      chance_overlap: the mean of the second for them.
    """

    num_leaves: Float64[np.ndarray, " modes"]
    overlap: Float64[np.ndarray, " modes"]
    chance_num_leaves: Float64[np.ndarray, " modes"]
    chance_overlap: Float64[np.ndarray, " modes"]


class TwoBlocks(NamedTuple):
    """The blocks of weights that move with and against the most central one.

    Attributes:
      signs: the block of each sample: 1, -1, or 0 for neither; 1 is the larger block.
      shares: the shares of the samples in the two blocks.
      within: the mean signed correlation of two samples of the same block.
      between: that of two samples of different blocks; NaN where one block is empty.
    """

    signs: Int8[np.ndarray, " samples"]
    shares: Float64[np.ndarray, "2"]
    within: float
    between: float


def layer_spread(
    counts: Integer[ArrayLike, "leaves modes"], *, key: Key
) -> LayerSpread:
    """Compares where each mode's weights lie with a random draw of as many.

    Args:
      counts: how many moving weights each leaf has in each mode, as in a
        `Decomposition`.
      key: draws the random sets, 100 a mode, without replacement.

    Returns:
      The spread of each mode and of chance.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> counts = np.array([[50, 0], [50, 100]])  # the second mode is in one leaf only
      >>> spread = modes.layer_spread(counts, key=jax.random.key(0))
      >>> spread.overlap.tolist(), spread.num_leaves.tolist()
      ([0.75, 0.75], [2.0, 1.0])
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1)
    draws = rng.generator(rng.stream(key, "layer_spread"))
    chance = [_by_chance(totals, int(size), draws) for size in counts.sum(axis=0)]
    return LayerSpread(*_spread(counts.T, totals), *np.transpose(chance))


def _by_chance(
    totals: Integer[np.ndarray, " leaves"], size: int, draws: np.random.Generator
) -> Float64[np.ndarray, "2"]:
    """What `_spread` gives for `size` weights drawn from all, on average."""
    members = draws.multivariate_hypergeometric(
        totals, size, _NUM_DRAWS, method="marginals"
    )
    return _spread(members, totals).mean(axis=1)


def _spread(
    members: Integer[np.ndarray, "sets leaves"], totals: Integer[np.ndarray, " leaves"]
) -> Float64[np.ndarray, "2 sets"]:
    """Number of leaves and overlap of some sets of weights, given by leaf."""
    sizes = members.sum(axis=1, keepdims=True)
    shares = members / np.maximum(sizes, 1)
    overlap = np.minimum(shares, (totals / totals.sum())[None]).sum(axis=1)
    overlap = np.where(sizes[:, 0] > 0, overlap, np.nan)
    return np.stack([(members > 0).sum(axis=1).astype(np.float64), overlap])


def two_blocks(
    correlation: Float[ArrayLike, "samples _"], *, threshold: float = 0.5
) -> TwoBlocks:
    """Splits samples by their correlation with the most central one.

    The most central sample has the highest mean |correlation| to all: it is the
    reference of a decomposition into one mode. Its block are the samples that correlate
    with it by more than `threshold`, the other those by less than minus that.

    Args:
      correlation: signed correlations, from `correlation_matrix`.
      threshold: between 0 and 1; what lies between the blocks belongs to none.

    Returns:
      The blocks, their shares and their mean correlations.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import modes
      >>> signs = np.array([1, 1, -1, 1, -1])
      >>> blocks = modes.two_blocks(0.9 * np.outer(signs, signs) + 0.1 * np.eye(5))
      >>> blocks.shares.tolist(), round(blocks.within, 2), round(blocks.between, 2)
      ([0.6, 0.4], 0.9, -0.9)
    """
    matrix = np.asarray(correlation, np.float64)
    center = np.abs(matrix).sum(axis=0).argmax()
    signs = np.sign(matrix[center]) * (np.abs(matrix[center]) > threshold)
    signs *= 1 if signs.sum() >= 0 else -1
    inside, outside = (signs == 1), (signs == -1)
    pairs = np.outer(inside, inside) | np.outer(outside, outside)
    np.fill_diagonal(pairs, False)
    return TwoBlocks(
        signs.astype(np.int8),
        np.array([inside.mean(), outside.mean()]),
        _mean(matrix[pairs]),
        _mean(matrix[np.ix_(inside, outside)]),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
