"""Figures of a post-hoc decomposition: SVG images drawn from plain arrays.

The model is w_i(t) ≈ a_i r_c(i)(t) + b_i. Here are the figures of what happens over the
records: the references r, the fit of single weights, and R² beside what chance gives;
those of accuracy and loss, of the partition c(i), of the number of modes and of the
landscape over two references come from the files of figures beside this one.

References:
  Brokman et al., "Enhancing Neural Training via a Correlated Dynamics Model",
  ICLR 2024.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer, Num

from cmd_jax.figures import (
    FAINT,
    INK,
    MUTED,
    PALETTE,
    WIDTH,
    Axes,
    Figure,
    draw,
    grid_of_panels,
    legend_above,
)
from cmd_jax.modes.choice_figures import num_modes
from cmd_jax.modes.curve_figures import accuracy, loss
from cmd_jax.modes.embedding_figures import accuracy_by_share, embedding
from cmd_jax.modes.landscape_figures import landscape
from cmd_jax.modes.partition_figures import correlation, spread
from cmd_jax.types import ArrayLike

__all__ = [
    "accuracy",
    "accuracy_by_share",
    "correlation",
    "embedding",
    "fits",
    "landscape",
    "loss",
    "num_modes",
    "profiles",
    "r_squared",
    "spread",
]

_BLUE, _ORANGE = PALETTE[:2]
_MAX_PANELS = 20
_MAX_DOTS = 60  # longer histories are lines: small files, and dots would touch


def profiles(
    epochs: Num[ArrayLike, "records"],
    reference_history: Float[ArrayLike, "records modes"],
    num_weights: Integer[ArrayLike, "modes"],
) -> bytes:
    """The references over time, standardised: one panel a mode, the others behind it.

    Args:
      epochs: the epoch of each record.
      reference_history: the reference weights r(t); each is shown as
        (r - mean) / standard deviation, a constant one as 0.
      num_weights: weights of the network in each mode.

    Returns:
      An SVG image. Of more than 20 modes the 20 largest are shown, and it says so.
    """
    history = _standardised(np.asarray(reference_history))
    epochs, sizes = np.asarray(epochs), np.asarray(num_weights)
    shown = np.sort(np.argsort(-sizes, kind="stable")[:_MAX_PANELS])
    thin = slice(None, None, -(-len(history) // _MAX_DOTS))
    behind = epochs[thin], history[thin, shown]

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(shown), 5, sharex=True, sharey=True)
        for axes, mode in zip(panels, shown, strict=True):
            axes.plot(*behind, color=FAINT, lw=0.7)
            axes.plot(epochs, history[:, mode], color=_BLUE, lw=1.8)
            share = 100 * sizes[mode] / max(sizes.sum(), 1)
            title = f"mode {mode}, {share:.1f} %\n{sizes[mode]:,} weights"
            axes.set_title(title, fontsize=8)
        figure.supxlabel("epoch", fontsize=9)
        figure.supylabel("standardised value", fontsize=9)
        if len(shown) < len(sizes):
            figure.suptitle(f"the {len(shown)} largest of {len(sizes)} modes")

    return draw(plot, height=0.8 + 1.35 * -(-len(shown) // 5))


def _standardised(history: np.ndarray) -> np.ndarray:
    centered = history - history.mean(axis=0)
    std = centered.std(axis=0)
    return centered / np.where(std > 0, std, 1)


def fits(
    epochs: Num[ArrayLike, "records"],
    history: Float[ArrayLike, "records weights"],
    reconstruction: Float[ArrayLike, "records weights"],
    labels: Integer[ArrayLike, "weights"],
    names: Sequence[str],
) -> bytes:
    """Some weights and what the decomposition makes of them, one panel a weight.

    Args:
      epochs: the epoch of each record.
      history: the weights w_i(t) that were recorded.
      reconstruction: their fit a_i r(t) + b_i.
      labels: the mode of each weight.
      names: where each weight is, such as `"dense/kernel[12]"`.

    Returns:
      An SVG image; R² of each weight stands above it.
    """
    epochs, labels = np.asarray(epochs), np.asarray(labels)
    history, reconstruction = np.asarray(history), np.asarray(reconstruction)
    mark = "." if len(history) <= _MAX_DOTS else "-"

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(names), 4, sharex=True)
        for i, axes in enumerate(panels):
            axes.plot(epochs, history[:, i], mark, color=MUTED, ms=4, label="recorded")
            axes.plot(epochs, reconstruction[:, i], color=_BLUE, label="a r(t) + b")
            quality = _r_squared(history[:, i], reconstruction[:, i])
            title = f"{names[i]}\nmode {labels[i]}, R² = {quality:.2f}"
            axes.set_title(title, fontsize=8)
            axes.locator_params(axis="y", nbins=4)
        figure.supxlabel("epoch", fontsize=9)
        figure.supylabel("value of the weight", fontsize=9)
        legend_above(figure, panels[0])

    return draw(plot, height=0.9 + 1.6 * -(-len(names) // 4))


def _r_squared(history: np.ndarray, reconstruction: np.ndarray) -> float:
    """R² of one weight, 1 for one that never moved and is met."""
    residual = np.square(history - reconstruction).sum()
    total = np.square(history - history.mean()).sum()
    return float(1 - residual / total if total > 0 else residual == 0)


def r_squared(
    by_mode: Float[ArrayLike, "seeds modes"],
    overall: Float[ArrayLike, "seeds"],
    null: Float[ArrayLike, "seeds"],
) -> bytes:
    """R² of each mode and of all weights, beside what unrelated random walks give.

    Bars are means over the seeds, whiskers and the band of the null one standard
    deviation (ddof 1). What does not rise above the null says nothing about training.

    Args:
      by_mode: mean R² of the weights of each mode; NaN for a mode without weights.
      overall: mean R² of all weights.
      null: the same of `random_walk_null`.

    Returns:
      An SVG image.
    """
    by_mode, overall, null = (np.asarray(x) for x in (by_mode, overall, null))
    values = np.concatenate([overall[:, None], by_mode], axis=1)
    num_modes = by_mode.shape[1]

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.concatenate([[-1.6], np.arange(num_modes)])
        colors = [MUTED, *[_BLUE] * num_modes]
        axes.bar(places, values.mean(axis=0), 0.78, color=colors)
        if len(values) > 1:
            std = values.std(axis=0, ddof=1)
            axes.errorbar(places, values.mean(axis=0), std, fmt="none", ecolor=INK)
        _mark_null(axes, null)
        step = -(-num_modes // 30)
        modes = range(0, num_modes, step)
        axes.set_xticks([-1.6, *modes], ["all weights", *map(str, modes)])
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="mode", ylabel="mean R²", ylim=(0, 1))

    width = min(WIDTH, 4 + 0.35 * num_modes)
    return draw(plot, width=width, height=3)


def _mark_null(axes: Axes, null: np.ndarray) -> None:
    """A dashed line at the mean of the null, its band, its name at the right."""
    mean = null.mean()
    axes.axhline(mean, color=_ORANGE, ls="--", lw=1.4)
    if len(null) > 1:
        std = null.std(ddof=1)
        axes.axhspan(mean - std, mean + std, color=_ORANGE, alpha=0.25, lw=0)
    text = f"random-walk\nnull, {mean:.2f}"
    place = axes.get_yaxis_transform()
    axes.text(1.01, mean, text, transform=place, va="center", fontsize=8)
