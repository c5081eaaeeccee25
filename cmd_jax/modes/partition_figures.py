"""Figures of the partition: the correlations that make the modes, and where they live.

Both are about c(i), the mode of weight i, and are reached as `cmd_jax.modes.figures`'
`correlation` and `spread`.

References:
  Brokman et al., "Enhancing Neural Training via a Correlated Dynamics Model",
  ICLR 2024.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer

from cmd_jax.figures import INK, PALETTE, Axes, Figure, draw
from cmd_jax.types import ArrayLike

_MAX_PIXELS = 400  # a side of the correlation image, which is as wide on a page
_BLACK = "#000000"  # no neutral colour: lines on the image are dark in every scheme


def correlation(
    correlation_matrix: Float[ArrayLike, "samples samples"],
    labels: Integer[ArrayLike, "samples"],
) -> bytes:
    """The signed correlations of the sampled weights, sorted by mode.

    Within a mode the weights are sorted by their correlation with its most central
    member, so a mode that moves both ways shows as two anti-correlated blocks. Lines
    part the modes. Of many samples evenly spaced ones are shown.

    Args:
      correlation_matrix: Pearson correlations, between -1 and 1.
      labels: the mode of each sample.

    Returns:
      An SVG image.
    """
    matrix, labels = np.asarray(correlation_matrix), np.asarray(labels)
    order = _by_mode_and_sign(matrix, labels)
    order = order[:: -(-len(order) // _MAX_PIXELS)]
    # Steps of 1/32 are too fine to be seen and halve the size of the image.
    shown = np.round(32 * matrix[np.ix_(order, order)]) / 32

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="none")
        bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[-1, -0.5, 0, 0.5, 1])
        bar.set_label("correlation over the records")
        bar.outline.set_visible(False)
        _mark_modes(axes, labels[order])

    return draw(plot, width=5.8, height=4.9)


def _by_mode_and_sign(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An order of the samples: by mode, then by correlation with its central member."""
    order = []
    for mode in np.unique(labels):
        members = np.flatnonzero(labels == mode)
        block = matrix[np.ix_(members, members)]
        center = np.abs(block).sum(axis=0).argmax()
        order.append(members[np.argsort(-block[center], kind="stable")])
    return np.concatenate(order)


def _mark_modes(axes: Axes, labels: np.ndarray) -> None:
    """Lines between the modes and their numbers, but for those too thin to name."""
    modes, counts = np.unique(labels, return_counts=True)
    ends = np.cumsum(counts) - 0.5
    for end in ends[:-1]:
        axes.axhline(end, color=_BLACK, lw=0.6)
        axes.axvline(end, color=_BLACK, lw=0.6)
    named = counts >= 0.025 * len(labels)
    ticks = (ends - counts / 2)[named]
    axes.set_xticks(ticks, modes[named])
    axes.set_yticks(ticks, modes[named])
    axes.set(xlabel="sampled weights by mode", ylabel="sampled weights by mode")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def spread(counts: Integer[ArrayLike, "leaves modes"], names: Sequence[str]) -> bytes:
    """How the modes spread over the layers: the shares of the modes in each leaf.

    The bar on top is the whole network. Leaves that look like it hold every mode in the
    same shares, which is what the paper says of trained networks.

    Args:
      counts: weights of each leaf in each mode; an empty leaf has an empty bar.
      names: one name per leaf.

    Returns:
      An SVG image. Of more than 10 modes the 9 largest are named, the others pooled.
    """
    parts, labels = _pooled(np.asarray(counts))
    rows = np.concatenate([parts.sum(axis=0, keepdims=True), parts])
    shares = 100 * rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    sizes = zip(["all weights", *names], rows.sum(axis=1), strict=True)
    ends = [f"{name}  ({size:,})" for name, size in sizes]
    # The network stands apart from its leaves.
    heights = np.concatenate([[0], 1.4 + np.arange(len(names))])

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        left = np.zeros(len(rows))
        for share, label, color in zip(shares.T, labels, PALETTE, strict=False):
            axes.barh(heights, share, 0.78, left, color=color, label=label)
            left += share
        axes.set_yticks(heights, ends)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set(xlim=(0, 100), xlabel="share of the weights (%)")
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))

    return draw(plot, height=max(2.7, 1 + 0.24 * len(rows)))


def _pooled(counts: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The counts of at most 10 modes, and what to call them."""
    num_modes = counts.shape[1]
    if num_modes <= len(PALETTE):
        return counts, [f"mode {mode}" for mode in range(num_modes)]
    largest = np.sort(np.argsort(-counts.sum(axis=0), kind="stable")[:9])
    others = counts.sum(axis=1) - counts[:, largest].sum(axis=1)
    labels = [f"mode {mode}" for mode in largest]
    return (
        np.column_stack([counts[:, largest], others]),
        [*labels, f"{num_modes - 9} others"],
    )
