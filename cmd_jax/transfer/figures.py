"""Figures of a transfer: SVG images drawn from plain arrays.

Accuracy by step beside the paper's, the objective of matching by sweep, and accuracy on
lines to the really trained target (arXiv 2305.14122, figures 4, 5 and 7).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import (
    INK,
    MUTED,
    PALETTE,
    Figure,
    draw,
    grid_of_panels,
    legend_above,
    plot_mean,
)
from cmd_jax.types import ArrayLike

_COLORS = {
    "Naive": MUTED,
    "GMT": PALETTE[0],
    "FGMT": PALETTE[1],
    "Oracle": PALETTE[2],
    "Source": PALETTE[4],
    "Re-basined source": PALETTE[5],
    "Standard": INK,
}

PaperCurve = tuple[Sequence[float], Sequence[float]]
"""Steps and accuracies in per cent, as the paper has them."""


def accuracy(
    curves: Mapping[str, Float[ArrayLike, "pairs steps"]],
    paper: Mapping[str, PaperCurve],
    trained: float,
) -> bytes:
    """Accuracy by step of a transfer, of every method, beside the paper's.

    Lines are means over the pairs, bands one standard deviation; the paper's are dashed
    in the same colour.

    Args:
      curves: for each method its accuracies (fractions) at the steps 0, …, T.
      paper: the paper's curves by the same names; those it has.
      trained: the accuracy of the target after real training, drawn as a line.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import figures
      >>> ours = {"FGMT": np.array([[0.1, 0.8, 0.9]])}
      >>> image = figures.accuracy(ours, {"FGMT": ([1, 2], [87.2, 96.2])}, 0.95)
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for name, values in curves.items():
            percent = 100 * np.asarray(values)
            steps = np.arange(percent.shape[1])
            plot_mean(axes, steps, percent, color=_COLORS[name], label=name)
            if name in paper:
                axes.plot(*paper[name], "--", color=_COLORS[name], lw=1.1, marker=".")
        if paper:
            axes.plot([], [], "--", color=MUTED, lw=1.1, label="paper")
        axes.axhline(100 * trained, color=MUTED, ls=":", lw=1.1, label="trained target")
        axes.set(xlabel="step t", ylabel="test accuracy (%)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend_above(figure, axes)

    return draw(plot, height=3.6)


def objective(sweeps: Mapping[str, Sequence[Float[ArrayLike, "_"]]]) -> bytes:
    """The objective of matching by sweep, at every step of a transfer.

    Args:
      sweeps: for each method its steps' objectives ⟨T, πS⟩, at the start and after each
        sweep; drawn as shares of the last.

    Returns:
      An SVG image. A line begins where the step before it has ended, so that its rise
      is what the new gradients changed.

    Example:
      >>> from cmd_jax.transfer import figures
      >>> import numpy as np
      >>> rises = [np.array([0.5, 1.0]), np.array([1.1, 1.2, 1.2])]
      >>> image = figures.objective({"FGMT": rises})
    """

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(sweeps), 2, sharey=True)
        for axes, (name, steps) in zip(panels, sweeps.items(), strict=True):
            for number, values in enumerate(steps, 1):
                values = np.asarray(values)
                share = values / values[-1] if values[-1] else values
                shade = 0.25 + 0.75 * number / len(steps)
                axes.plot(share, color=_COLORS[name], alpha=shade, marker=".", lw=1.1)
            axes.set(title=f"{name}, darker with each step", xlabel="sweep")
            axes.xaxis.get_major_locator().set_params(integer=True)
        panels[0].set_ylabel("objective, share of the last")

    return draw(plot, height=2.8)


def assumption(
    epochs: Num[ArrayLike, " records"],
    curves: Mapping[str, Float[ArrayLike, "pairs records"]],
) -> bytes:
    """The cosine of the permuted source's displacements with the target's, by epoch.

    Args:
      epochs: of each record after the first.
      curves: the cosines, by what permutes the source: "Oracle", "Naive" for nothing.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import figures
      >>> cosines = {"Oracle": np.array([[0.7, 0.5]])}
      >>> image = figures.assumption(np.array([1, 2]), cosines)
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for name, values in curves.items():
            plot_mean(axes, epochs, values, color=_COLORS[name], label=name)
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.set(xlabel="epoch", ylabel="cosine of displacements")
        legend_above(figure, axes)

    return draw(plot, height=2.8)


def lines(
    shares: Num[ArrayLike, " points"],
    curves: Mapping[str, Float[ArrayLike, "pairs points"]],
) -> bytes:
    """Accuracy on the lines from transferred networks to the trained target.

    Args:
      shares: of the way to the trained target.
      curves: for each network at share 0 the accuracies (fractions) along its line.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import figures
      >>> way = np.linspace(0, 1, 3)
      >>> image = figures.lines(way, {"FGMT": np.array([[0.9, 0.8, 0.95]])})
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for name, values in curves.items():
            percent = 100 * np.asarray(values)
            plot_mean(axes, shares, percent, color=_COLORS[name], label=name)
        axes.set(xlabel="share of the way to the trained target")
        axes.set_ylabel("test accuracy (%)")
        legend_above(figure, axes)

    return draw(plot, height=3.4)


def training(
    standard: tuple[Num[ArrayLike, " evaluations"], Float[ArrayLike, "pairs _"]],
    followed: Mapping[str, Float[ArrayLike, "pairs epochs"]],
) -> bytes:
    """Accuracy by epoch of training that begins with a transfer, and of one without.

    Args:
      standard: the epochs at which the plain training was tested, and its accuracies.
      followed: for each method the accuracies (fractions) after 0, 1, … epochs.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.transfer import figures
      >>> plain = np.arange(3), np.array([[0.1, 0.7, 0.9]])
      >>> image = figures.training(plain, {"FGMT": np.array([[0.8, 0.9, 0.95]])})
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        curves = {"Standard": standard[1], **followed}
        for name, values in curves.items():
            percent = 100 * np.asarray(values)
            epochs = np.arange(percent.shape[1])
            x = standard[0] if name == "Standard" else epochs
            plot_mean(axes, x, percent, color=_COLORS[name], label=name)
        late = 100 * np.concatenate(
            [np.asarray(v)[:, 1:].ravel() for v in curves.values()]
        )
        axes.set_ylim(np.quantile(late, 0.02) - 1, late.max() + 0.5)
        axes.set(xlabel="epoch", ylabel="test accuracy (%)")
        legend_above(figure, axes)

    return draw(plot, height=3.4)
