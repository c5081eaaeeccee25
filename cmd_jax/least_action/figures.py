"""Figures of a flow: point clouds, energy by block, training, and many runs at once.

Every function returns the bytes of an image; the film is an animated PNG.
"""

import io
from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
from jaxtyping import Float, Integer, Num

from cmd_jax.figures import (
    MUTED,
    PALETTE,
    Axes,
    Figure,
    draw,
    grid_of_panels,
    legend_above,
    plot_mean,
)
from cmd_jax.types import ArrayLike

__all__ = [
    "accuracy_by_energy",
    "accuracy_by_size",
    "by_block",
    "clouds",
    "film",
    "training",
]

_LINES = (MUTED, *PALETTE)  # vanilla, which comes first, in grey
_CLASSES = PALETTE[:2]
_FRAMES = 4  # of the film, from one block to the next
_MILLISECONDS, _PAUSE = 80, 800  # of a frame of the film, of its first and last one


def training(
    panels: Mapping[
        str, tuple[Num[ArrayLike, " records"], Float[ArrayLike, "seeds records"]]
    ],
) -> bytes:
    """Quantities by epoch, one panel each: a line and a band of one deviation.

    Args:
      panels: for each quantity its name, the epochs and its values. A positive one
        that spans two decades or more has a logarithmic axis.

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        for axes, (name, (epochs, values)) in zip(
            grid_of_panels(figure, len(panels), 3), panels.items(), strict=True
        ):
            values = np.asarray(values)
            plot_mean(axes, epochs, values, color=PALETTE[0], label=name)
            if values.min() > 0 and values.max() > 100 * values.min():
                axes.set_yscale("log")
            axes.set(title=name, xlabel="epoch")

    return draw(plot, height=0.3 + 2.4 * -(-len(panels) // 3))


def by_block(
    panels: Mapping[str, Mapping[str, Float[ArrayLike, "seeds blocks"]]],
) -> bytes:
    """Quantities of each block, one panel each; medians and quartiles over the seeds.

    Args:
      panels: for each quantity, by the name of a run, its values. A positive one that
        spans two decades or more has a logarithmic axis.

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        shown = grid_of_panels(figure, len(panels), 2)
        for axes, (name, runs) in zip(shown, panels.items(), strict=True):
            for color, label, values in _colored(runs):
                _plot_quartiles(axes, np.asarray(values), color, label)
            axes.set(title=name, xlabel="block")
        if len(next(iter(panels.values()))) > 1:
            legend_above(figure, shown[0])

    return draw(plot, height=0.5 + 2.4 * -(-len(panels) // 2))


def _plot_quartiles(axes: Axes, values: np.ndarray, color: str, label: str) -> None:
    blocks = np.arange(1, values.shape[1] + 1)
    defined = ~np.isnan(values).all(axis=0)
    low, middle, high = np.nanquantile(values[:, defined], [0.25, 0.5, 0.75], axis=0)
    axes.plot(blocks[defined], middle, color=color, label=label, marker="o", ms=3)
    axes.fill_between(blocks[defined], low, high, color=color, alpha=0.2, lw=0)
    if middle.size and middle.min() > 0 and middle.max() > 100 * middle.min():
        axes.set_yscale("log")


def _colored(runs: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Color, name and values of each run: one in blue; of several the first in grey."""
    colors = cycle(_LINES if len(runs) > 1 else PALETTE)
    return [(next(colors), label, values) for label, values in runs.items()]


def clouds(
    cloud: Float[ArrayLike, "points examples 2"],
    labels: Integer[ArrayLike, " examples"],
) -> bytes:
    """Points of the plane before and after each block, one panel each, on one scale.

    Args:
      cloud: x_0, x_1, ..., x_B.
      labels: the class of each example, 0 or 1.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.least_action import figures
      >>> image = figures.clouds(np.zeros((3, 4, 2)), np.array([0, 1, 0, 1]))
    """
    cloud, labels = np.asarray(cloud), np.asarray(labels)
    window = _window(cloud)

    def plot(figure: Figure) -> None:
        panels = grid_of_panels(figure, len(cloud), 5, sharex=True, sharey=True)
        for block, (axes, points) in enumerate(zip(panels, cloud, strict=True)):
            _plot_points(axes, points, labels, window)
            axes.set_title("data" if block == 0 else f"after block {block}")

    return draw(plot, height=0.4 + 1.6 * -(-len(cloud) // 5))


def _plot_points(
    axes: Axes, points: np.ndarray, labels: np.ndarray, window: np.ndarray
) -> list[Any]:
    """Draws the points of both classes, and gives what Matplotlib calls them by."""
    axes.set_aspect("equal")
    axes.set(xlim=window[0], ylim=window[1])
    axes.locator_params(nbins=4)
    return [
        axes.scatter(*points[labels == label].T, s=4, color=color, lw=0)
        for label, color in enumerate(_CLASSES)
    ]


def _window(cloud: np.ndarray) -> np.ndarray:
    """The limits of both axes, alike in length, that hold all points."""
    low, high = cloud.min(axis=(0, 1)), cloud.max(axis=(0, 1))
    center, reach = (low + high) / 2, 0.55 * (high - low).max() + 1e-9
    return np.stack([center - reach, center + reach], axis=1)


def film(
    cloud: Float[ArrayLike, "points examples 2"],
    labels: Integer[ArrayLike, " examples"],
) -> bytes:
    """The points of the plane on their way through the blocks, as an animated PNG.

    Args:
      cloud: x_0, x_1, ..., x_B; between two blocks points move straight.
      labels: the class of each example, 0 or 1.

    Returns:
      A PNG file, which browsers play in a loop; its first frame shows the data.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing
    from PIL import Image

    cloud, labels = np.asarray(cloud), np.asarray(labels)
    figure = Drawing(figsize=(4.2, 4.2), dpi=90, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    dots = _plot_points(axes, cloud[0], labels, _window(cloud))
    frames = []
    for time in np.linspace(0, len(cloud) - 1, (len(cloud) - 1) * _FRAMES + 1):
        block = min(int(time), len(cloud) - 2)
        share = time - block
        points = (1 - share) * cloud[block] + share * cloud[block + 1]
        for label, collection in enumerate(dots):
            collection.set_offsets(points[labels == label])
        axes.set_title(f"after {time:.1f} blocks")
        canvas.draw()
        figure.set_layout_engine("none")  # what the first frame has found stays
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("P"))
    durations = np.full(len(frames), _MILLISECONDS)
    durations[[0, -1]] = _PAUSE
    image = io.BytesIO()
    frames[0].save(
        image,
        format="PNG",
        save_all=True,
        append_images=frames[1:],
        duration=durations.tolist(),
        loop=0,
    )
    return image.getvalue()


def accuracy_by_energy(
    runs: Mapping[str, tuple[Float[ArrayLike, " seeds"], Float[ArrayLike, " seeds"]]],
) -> bytes:
    """Test accuracy against kinetic energy, a dot a seed: is low energy better?

    Args:
      runs: by name, the kinetic energies and the accuracies (fractions).

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for color, label, (energy, accuracy) in _colored(runs):
            percent = 100 * np.asarray(accuracy)
            axes.scatter(energy, percent, s=14, color=color, label=label, alpha=0.8)
        axes.set(xscale="log", xlabel="kinetic energy", ylabel="test accuracy (%)")
        legend_above(figure, axes)

    return draw(plot, height=3.6)


def accuracy_by_size(
    runs: Mapping[
        str,
        tuple[
            Integer[ArrayLike, " sizes"],
            Float[ArrayLike, " sizes"],
            Float[ArrayLike, "sizes 2"],
        ],
    ],
) -> bytes:
    """Test accuracy against the size of the training set, with intervals of the mean.

    Args:
      runs: by name, the sizes, the mean accuracies and the intervals (fractions).

    Returns:
      An SVG image.
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for color, label, parts in _colored(runs):
            sizes, means, intervals = map(np.asarray, parts)
            reach = 100 * np.abs(intervals - means[:, None]).T
            axes.errorbar(
                sizes, 100 * means, reach, color=color, label=label, marker="o", ms=4
            )
        axes.set(xscale="log", xlabel="training images", ylabel="test accuracy (%)")
        legend_above(figure, axes)

    return draw(plot, height=3.4)
