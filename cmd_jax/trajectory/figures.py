"""The figure of a recorded path in its principal plane."""

import numpy as np
from jaxtyping import Float

from cmd_jax.figures import INK, PALETTE, Figure, draw, draw_field, legend_above
from cmd_jax.types import ArrayLike

_RED = PALETTE[2]
_BLACK = "#000000"  # no neutral colour: the path is dark on the field in every scheme


def path(
    coordinates: Float[ArrayLike, "records 2"],
    explained: Float[ArrayLike, "2"],
    around: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
) -> bytes:
    """The records projected to their principal plane, over the loss in that plane.

    Args:
      coordinates: of each record, from `principal_plane`.
      explained: the share of the variance along each axis.
      around: places along the first axis and along the second, and the losses [second,
        first] of the networks there; None where they are not known.

    Returns:
      An SVG image. The axes have one scale: lengths are distances of networks.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import figures
      >>> turns = np.linspace(0, 3, 9)
      >>> places = np.stack([np.cos(turns), np.sin(turns)], axis=1)
      >>> image = figures.path(places, np.array([0.7, 0.3]))
    """
    coordinates, explained = np.asarray(coordinates), np.asarray(explained)

    def plot(figure: Figure) -> None:
        axes, ink = figure.subplots(), INK
        if around is not None:
            ink = _BLACK
            draw_field(axes, *around, label="loss in the plane")
        axes.plot(*coordinates.T, color=ink, lw=1, marker=".", ms=4)
        for label, record, color in (("first", 0, ink), ("last", -1, _RED)):
            place, name = coordinates[record], f"{label} record"
            axes.plot(*place, "o", color=color, mec="#ffffff", ms=8, label=name)
        axes.set_aspect("equal")
        axes.set_xlabel(f"first direction, {100 * explained[0]:.1f} % of the variance")
        axes.set_ylabel(f"second direction, {100 * explained[1]:.1f} %")
        legend_above(figure, axes)

    return draw(plot, height=4.6)
