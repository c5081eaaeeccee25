"""How every figure of the project looks, and how it becomes an image.

A figure is drawn by a function of a `matplotlib.figure.Figure`; `draw` gives it one in
the house style and returns an SVG. No `pyplot`: nothing is left open, nothing depends
on a display or on the reader's `matplotlibrc`, and threads may draw at the same time.

The same numbers give the same bytes. Text stays text, in the reader's own font, and the
neutral colours follow the light or dark scheme of whoever looks at the image.

References:
  M. A. Petroff, "Accessible color sequences for data visualization", arXiv 2107.02270.
"""

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Num

from cmd_jax.types import ArrayLike

Figure = Any
"""A `matplotlib.figure.Figure` (Matplotlib is imported when something is drawn)."""

Axes = Any
"""A `matplotlib.axes.Axes`."""

INK, MUTED, FAINT = "#1f2328", "#59636e", "#d8dee4"
"""Neutral colours: text and data; axes and notes; grid and what stays behind."""

PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadb",
)
"""Ten colours that people with colour vision deficiency tell apart (Petroff, 2021)."""

WIDTH = 7.5
"""Width in inches of a figure that fills the column of a page (720 CSS pixels)."""

_LEGEND_COLUMNS = 4  # more would not fit into the width

_DARK = {INK: "#e6edf3", MUTED: "#9aa5b1", FAINT: "#343b44"}
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "image.composite_image": False,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "cmd_jax",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.color": MUTED,
    "ytick.labelsize": 8,
}

_NUM_LEVELS = 13

# Matplotlib's style is a global of the process; it is ours only while this is held.
_style_lock = threading.Lock()


def draw(
    plot: Callable[[Figure], object], *, width: int | float = WIDTH, height: int | float
) -> bytes:
    """Draws a figure in the house style.

    Args:
      plot: draws on the empty figure it is given; the layout is constrained.
      width: in inches, 96 CSS pixels each.
      height: in inches.

    Returns:
      An SVG image, a function of what was drawn alone.

    Example:
      >>> from cmd_jax.figures import draw
      >>> draw(lambda figure: figure.subplots().plot([1, 2]), height=3)[:5]
      b'<?xml'
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    with _style_lock, matplotlib.style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), layout="constrained")
        plot(figure)
        image = io.BytesIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(image, format="svg", metadata=metadata)
    return _with_scheme(image.getvalue())


def _with_scheme(svg: bytes) -> bytes:
    """Adds the reader's font, and the dark twins of the neutral colours."""
    dark = "".join(
        f'[style*="{name}: {light}"]{{{name}:{shade}!important}}'
        for light, shade in _DARK.items()
        for name in ("fill", "stroke")
    )
    css = f"text{{font-family:{_FONT}!important}}@media(prefers-color-scheme:dark){{"
    style = f"<style>{css}{dark}}}</style></svg>"
    return svg.replace(b"</svg>", style.encode())


def plot_mean(
    axes: Axes,
    x: Num[ArrayLike, "records"],
    values: Num[ArrayLike, "seeds records"],
    *,
    color: str,
    label: str,
) -> None:
    """A line at the mean over the seeds, in a band of one standard deviation (ddof 1).

    A single seed has no band; a single record is a dot.
    """
    values = np.asarray(values)
    x, mean = np.asarray(x), values.mean(axis=0)
    axes.plot(x, mean, color=color, label=label, marker="o" if len(mean) == 1 else None)
    if len(values) > 1:
        std = values.std(axis=0, ddof=1)
        axes.fill_between(x, mean - std, mean + std, color=color, alpha=0.2, lw=0)


def grid_of_panels(
    figure: Figure, num_panels: int, num_columns: int, **sharing: Any
) -> list[Axes]:
    """Panels in rows of at most `num_columns`; the places left over stay blank."""
    num_columns = min(num_panels, num_columns)
    num_rows = -(-num_panels // num_columns)
    panels = figure.subplots(num_rows, num_columns, squeeze=False, **sharing).ravel()
    for blank in panels[num_panels:]:
        blank.remove()
    return list(panels[:num_panels])


def legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, above them: what is labelled in `axes`."""
    handles, labels = axes.get_legend_handles_labels()
    ncols = min(len(labels), _LEGEND_COLUMNS)
    figure.legend(handles, labels, loc="outside upper right", ncols=ncols)


def draw_field(
    axes: Axes,
    x: Num[ArrayLike, " columns"],
    y: Num[ArrayLike, " rows"],
    values: Num[ArrayLike, "rows columns"],
    *,
    label: str = "",
) -> None:
    """Filled contours of a quantity over a plane, light where it is low, and their bar.

    The highest tenth shares one colour, so that a wall does not hide the valley; what
    is not finite stays blank.
    """
    values = np.ma.masked_invalid(np.asarray(values, np.float64))
    finite = values.compressed() if values.count() else np.zeros(1)
    low, high = finite.min(), np.quantile(finite, 0.9)
    if not high > low + 1e-9 * abs(low):
        high = low + 1e-3 * max(abs(low), 1)
    levels = np.linspace(low, high, _NUM_LEVELS)
    axes.grid(visible=False)
    field = axes.contourf(
        np.asarray(x), np.asarray(y), values, levels, cmap="YlGnBu", extend="max"
    )
    ticks = levels[:: _NUM_LEVELS // 3]
    bar = axes.figure.colorbar(field, ax=axes, ticks=ticks, label=label)
    bar.ax.set_yticklabels([f"{tick:.3g}" for tick in ticks])
    bar.outline.set_visible(False)
