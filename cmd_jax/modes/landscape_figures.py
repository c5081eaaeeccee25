"""The figure of the loss over two references, `cmd_jax.modes.figures.landscape`."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cmd_jax.figures import (
    PALETTE,
    Axes,
    Figure,
    draw,
    draw_field,
    grid_of_panels,
    legend_above,
)
from cmd_jax.types import ArrayLike

_RED = PALETTE[2]
_BLACK = "#000000"  # no neutral colour: dark on the field in every scheme


def landscape(
    x: Float[ArrayLike, " columns"],
    y: Float[ArrayLike, " rows"],
    losses: Float[ArrayLike, "rows columns panels"],
    place: Float[ArrayLike, "2"],
    names: Sequence[str],
) -> bytes:
    """The loss over the values of two references, a panel for each set of examples.

    Args:
      x: values of the first reference.
      y: values of the second.
      losses: the loss on each set of examples.
      place: the references' last values, where the CMD point is drawn.
      names: what each panel's examples are.

    Returns:
      An SVG image; in each panel the lowest loss on the grid is marked too.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> values = np.linspace(-1, 1, 5)
      >>> losses = (values**2 + (values**2)[:, None])[:, :, None]
      >>> image = figures.landscape(values, values, losses, np.zeros(2), ["training"])
    """
    x, y, losses = (np.asarray(values) for values in (x, y, losses))

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(names), 2, sharex=True, sharey=True)
        for number, axes in enumerate(panels):
            axes.set_title(names[number])
            draw_field(axes, x, y, losses[:, :, number])
            _mark(axes, *place, color=_BLACK, label="CMD, last record")
            row, column = _lowest(losses[:, :, number])
            _mark(axes, x[column], y[row], color=_RED, label="lowest on the grid")
        figure.supxlabel("value of reference 0", fontsize=9)
        figure.supylabel("value of reference 1", fontsize=9)
        legend_above(figure, panels[0])

    return draw(plot, height=0.9 + 2.5 * -(-len(names) // 2))


def _lowest(losses: np.ndarray) -> tuple[int, int]:
    """Row and column of the lowest finite loss."""
    finite = np.where(np.isfinite(losses), losses, np.inf)
    row, column = np.unravel_index(finite.argmin(), finite.shape)
    return int(row), int(column)


def _mark(axes: Axes, x: float, y: float, *, color: str, label: str) -> None:
    axes.plot(x, y, "o", color=color, mec="#ffffff", ms=7, label=label, clip_on=False)
