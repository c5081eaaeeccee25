"""Figures of phase diagrams, in the style of all pages."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import (
    FAINT,
    MUTED,
    PALETTE,
    Axes,
    Figure,
    draw,
    grid_of_panels,
    legend_above,
    plot_mean,
)
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.logistic import fit_logistic
from cmd_jax.phase_transition.threshold import Threshold
from cmd_jax.types import ArrayLike


def errors(diagrams: Mapping[str, Diagram], *, level: float | None = 0.25) -> bytes:
    """The error against the mini-batch size, a line for each size N or connectivity.

    Lines are means over the replicas, bands one standard deviation (ddof 1).

    Args:
      diagrams: by what they are called in the legend.
      level: the error that marks the threshold, drawn as a line; None for none.

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for (label, diagram), color in zip(diagrams.items(), PALETTE, strict=False):
            values = diagram.bounded_error.T
            plot_mean(axes, diagram.batch_sizes, values, color=color, label=label)
        if level is not None:
            axes.axhline(level, color=MUTED, ls=":", lw=1.2)
        _label(axes, "generalisation error ε")
        legend_above(figure, axes)

    return draw(plot, height=3.4)


def success(diagrams: Mapping[str, Diagram]) -> bytes:
    """P0 against the mini-batch size, with the logistic curves that give m_c.

    Args:
      diagrams: by what they are called in the legend, each with two batch sizes at
        least.

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0.5, color=MUTED, ls=":", lw=1.2)
        for (label, diagram), color in zip(diagrams.items(), PALETTE, strict=False):
            sizes, replicas = diagram.batch_sizes, diagram.passed.shape[1]
            axes.plot(sizes, diagram.success, "o", ms=4, color=color, label=label)
            fit = fit_logistic(sizes, diagram.passed.sum(axis=1), replicas)
            if np.isfinite(fit.middle):
                fine = np.linspace(sizes[0], sizes[-1], 300)
                axes.plot(fine, fit.probability(fine), color=color, lw=1.2)
        _label(axes, "share of replicas that learn, P₀")
        axes.set_ylim(-0.03, 1.03)
        legend_above(figure, axes)

    return draw(plot, height=3.4)


def thresholds(
    x: Num[ArrayLike, " points"],
    series: Mapping[str, Sequence[Threshold]],
    *,
    xlabel: str,
    theory: Mapping[str, Float[ArrayLike, " points"]] | None = None,
    logarithmic: bool = False,
) -> bytes:
    """m_c with its interval against the connectivity d, the size N or the rate η.

    Args:
      x: where the thresholds were measured.
      series: by observable: one threshold for each x.
      xlabel: what x is.
      theory: closed forms at x, drawn as dashed lines.
      logarithmic: both axes, as for thresholds that grow as a power of N.

    Returns:
      An SVG image.
    """
    x = np.asarray(x, float)

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for (label, found), color in zip(series.items(), PALETTE, strict=False):
            estimate = np.array([threshold.estimate for threshold in found])
            known = np.isfinite(estimate)
            ends = np.array([(threshold.low, threshold.high) for threshold in found])
            reach = np.abs(ends - estimate[:, None])[known].T
            axes.errorbar(
                *(x[known], estimate[known], reach),
                fmt="o-",
                ms=4,
                capsize=3,
                color=color,
                label=label,
            )
        for label, values in (theory or {}).items():
            axes.plot(x, np.asarray(values), "--", color=MUTED, lw=1.2, label=label)
        if logarithmic:
            axes.set(xscale="log", yscale="log")
        axes.set(xlabel=xlabel, ylabel="critical mini-batch size m_c")
        legend_above(figure, axes)

    return draw(plot, height=3.4)


def hysteresis(pairs: Mapping[str, tuple[Diagram, Diagram]]) -> bytes:
    """The branches from random weights and from the teacher, a panel for each model.

    Args:
      pairs: by the panel's title: the branch from random, the one from the teacher.

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(pairs), 2, sharey=True)
        for axes, (title, branches) in zip(panels, pairs.items(), strict=True):
            starts = ("from random weights", "from the teacher")
            for start, diagram, color in zip(starts, branches, PALETTE, strict=False):
                values = diagram.bounded_error.T
                plot_mean(axes, diagram.batch_sizes, values, color=color, label=start)
            _label(axes, "generalisation error ε")
            axes.set_title(title)
        legend_above(figure, panels[0])

    return draw(plot, height=3.2 * -(-len(pairs) // 2))


def accuracies(
    batch_sizes: Num[ArrayLike, " points"],
    panels: Mapping[str, Mapping[str, Float[ArrayLike, "seeds points"]]],
    *,
    chance: float,
) -> bytes:
    """Test accuracy of classifiers against the mini-batch size, a line a learning rate.

    Args:
      batch_sizes: m.
      panels: by title, accuracies (per cent) by what they are called in the legend.
      chance: the accuracy of guessing (per cent), drawn as a line.

    Returns:
      An SVG image.
    """
    sizes = np.asarray(batch_sizes)

    def plot(figure: Figure) -> None:
        places = grid_of_panels(figure, len(panels), 2, sharey=True)
        for axes, (title, lines) in zip(places, panels.items(), strict=True):
            axes.axhline(chance, color=FAINT, lw=1.2)
            for (label, values), color in zip(lines.items(), PALETTE, strict=False):
                plot_mean(axes, sizes, values, color=color, label=label)
            axes.set_xscale("log", base=2)
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
            _label(axes, "test accuracy (%)")
            axes.set_title(title)
        legend_above(figure, places[0])

    return draw(plot, height=3.6)


def _label(axes: Axes, ylabel: str) -> None:
    axes.set(xlabel="mini-batch size m", ylabel=ylabel)
