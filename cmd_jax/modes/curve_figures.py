"""Figures of how several methods are tested along a run: accuracy and loss by epoch."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import MUTED, PALETTE, Figure, draw, legend_above, plot_mean
from cmd_jax.types import ArrayLike

Curves = Mapping[str, Float[ArrayLike, "seeds records"]]

# The plain run in grey, what is compared with it in colours that are not.
_LINES = (MUTED, *PALETTE[:3], *PALETTE[4:])


def accuracy(epochs: Num[ArrayLike, "records"], curves: Curves) -> bytes:
    """Accuracy by epoch of several methods, all of it and the second half again.

    Lines are means over the seeds, bands one standard deviation. The first epochs set
    the scale of the left panel; the right one shows the difference between the methods.

    Args:
      epochs: the epoch of each record.
      curves: for each method its accuracies, fractions between 0 and 1; the first
        is the plain run, drawn in grey.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> sgd, fit = np.array([[0.5, 0.8]]), np.array([[0.5, 0.9]])
      >>> image = figures.accuracy(np.arange(2), {"SGD": sgd, "post-hoc CMD": fit})
    """
    per_cent = {name: 100 * np.asarray(values) for name, values in curves.items()}
    return _by_epoch(epochs, per_cent, "accuracy (%)")


def loss(epochs: Num[ArrayLike, "records"], curves: Curves) -> bytes:
    """Loss by epoch of several methods, drawn as `accuracy` is.

    Args:
      epochs: the epoch of each record.
      curves: for each method its losses in nats; the first is the plain run.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> image = figures.loss(np.arange(2), {"SGD": np.array([[1.5, 0.8]])})
    """
    return _by_epoch(epochs, curves, "loss (nats)")


def _by_epoch(
    epochs: Num[ArrayLike, "records"], curves: Curves, quantity: str
) -> bytes:
    epochs = np.asarray(epochs)

    def plot(figure: Figure) -> None:
        whole, late = figure.subplots(1, 2)
        for axes, start in ((whole, 0), (late, len(epochs) // 2)):
            for color, (name, values) in zip(cycle(_LINES), curves.items()):
                shown = np.asarray(values)[:, start:]
                plot_mean(axes, epochs[start:], shown, color=color, label=name)
            axes.set_xlabel("epoch")
            axes.locator_params(axis="x", integer=True)
        whole.set(ylabel=quantity, title="whole training")
        late.set_title("second half")
        legend_above(figure, whole)

    return draw(plot, height=3.3)
