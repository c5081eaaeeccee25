"""The figure of CMD beside DMD: what both make of the same records."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import FAINT, MUTED, PALETTE, Figure, draw, legend_above, plot_mean
from cmd_jax.types import ArrayLike

_LARGEST = 10.0  # an error beyond it is drawn at the edge: exponentials may explode


def dynamics(
    epochs: Num[ArrayLike, "records"],
    errors: Mapping[str, Float[ArrayLike, "seeds records"]],
    accuracy: Mapping[str, Float[ArrayLike, "seeds records"]],
    half: float,
) -> bytes:
    """Distances from the records by epoch, and the accuracies of the networks there.

    Args:
      epochs: the epoch of each record.
      errors: by method, relative to the records' own spread; logarithmic.
      accuracy: fractions by method, the training first, drawn in grey; may be empty.
      half: the epoch that the first half ends with, marked.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.baselines import figures
      >>> image = figures.dynamics(
      ...     np.arange(3), {"CMD": np.array([[0.1, 0.2, 0.1]])}, {}, half=1.0
      ... )
    """
    epochs = np.asarray(epochs)
    colors = dict(zip(errors, cycle(PALETTE)))

    def plot(figure: Figure) -> None:
        panels = figure.subplots(1, 2 if accuracy else 1, squeeze=False)[0]
        for name, values in errors.items():
            shown = np.clip(np.asarray(values), None, _LARGEST)
            plot_mean(panels[0], epochs, shown, color=colors[name], label=name)
        panels[0].set(yscale="log", ylabel="relative distance from the record")
        for name, values in accuracy.items():
            percent = 100 * np.asarray(values)
            color = colors.get(name, MUTED)
            plot_mean(panels[-1], epochs, percent, color=color, label=name)
        for axes in panels:
            axes.axvline(half, color=FAINT, zorder=0)
            axes.set_xlabel("epoch")
        if accuracy:
            panels[1].set_ylabel("test accuracy (%)")
        legend_above(figure, panels[-1])

    return draw(plot, height=3.3)
