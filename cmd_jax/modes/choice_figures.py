"""The figure of how many modes to take, `cmd_jax.modes.figures.num_modes`."""

import numpy as np
from jaxtyping import Float, Integer

from cmd_jax.figures import MUTED, PALETTE, Figure, draw, plot_mean
from cmd_jax.types import ArrayLike

_BLUE, _ORANGE = PALETTE[:2]


def num_modes(
    candidates: Integer[ArrayLike, " candidates"],
    r_squared: Float[ArrayLike, "seeds candidates"],
    null: Float[ArrayLike, "seeds candidates"],
    suggested: int | None,
) -> bytes:
    """Mean R² against the number of modes, beside random walks, and the gain over them.

    Lines are means over the seeds, bands one standard deviation (ddof 1).

    Args:
      candidates: the numbers of modes, M.
      r_squared: the mean R² at each.
      null: that of independent random walks.
      suggested: the M to mark, or None.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> image = figures.num_modes(
      ...     np.array([1, 3]), np.array([[0.6, 0.9]]), np.array([[0.4, 0.5]]), 3
      ... )
    """
    candidates = np.asarray(candidates)
    r_squared, null = np.asarray(r_squared), np.asarray(null)
    gain = r_squared - null

    def plot(figure: Figure) -> None:
        both, above = figure.subplots(1, 2)
        plot_mean(both, candidates, r_squared, color=_BLUE, label="training")
        plot_mean(both, candidates, null, color=_ORANGE, label="random walks")
        plot_mean(above, candidates, gain, color=_BLUE, label="gain")
        above.axhline(0, color=_ORANGE, lw=1.4)
        for axes in (both, above):
            axes.set_xscale("log")
            axes.set_xticks(candidates, [str(number) for number in candidates])
            axes.minorticks_off()
            axes.set_xlabel("number of modes M")
            if suggested is not None:
                axes.axvline(suggested, color=MUTED, ls=":", lw=1.2)
        both.set(title="mean R²", ylim=(0, 1))
        both.legend(loc="lower right")
        above.set_title("gain over random walks")
        if suggested is not None:
            place = above.get_xaxis_transform()
            above.text(suggested, 0.4, f" M = {suggested}", transform=place)

    return draw(plot, height=3.1)
