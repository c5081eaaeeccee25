"""Figures of embedded training: what is trained, in what memory, how well."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import PALETTE, Figure, draw, legend_above, plot_mean
from cmd_jax.types import ArrayLike

_BLUE, _ORANGE = PALETTE[:2]


def embedding(
    epochs: Num[ArrayLike, "records"],
    trained_share: Float[ArrayLike, "records"],
    optimizer_bytes: Num[ArrayLike, "records"],
    evaluated_epochs: Num[ArrayLike, "evaluated"],
    accuracy: Float[ArrayLike, "seeds evaluated"],
) -> bytes:
    """Trained weights, the optimizer's memory and the accuracy by epoch.

    Args:
      epochs: the epoch of each record.
      trained_share: of the weights, those that were free up to the record.
      optimizer_bytes: what the optimizer kept for them.
      evaluated_epochs: where the network was tested.
      accuracy: fractions between 0 and 1.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> image = figures.embedding(
      ...     np.arange(3),
      ...     np.array([1.0, 1.0, 0.5]),
      ...     np.array([80, 80, 40]),
      ...     np.arange(3),
      ...     np.array([[0.1, 0.8, 0.9]]),
      ... )
    """
    epochs, tested = np.asarray(epochs), np.asarray(evaluated_epochs)
    trained = 100 * np.asarray(trained_share)
    kept = 100 * np.asarray(optimizer_bytes) / max(np.max(optimizer_bytes), 1)

    def plot(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.step(epochs, trained, color=_BLUE, label="trained weights")
        left.step(epochs, kept, color=_ORANGE, ls="--", label="optimizer's memory")
        left.set(xlabel="epoch", ylabel="of the whole (%)", ylim=(0, 105))
        percent = 100 * np.asarray(accuracy)
        plot_mean(right, tested, percent, color=_BLUE, label="accuracy")
        right.set(xlabel="epoch", ylabel="test accuracy (%)")
        legend_above(figure, left)

    return draw(plot, height=3.0)


def accuracy_by_share(
    runs: Mapping[str, tuple[Float[ArrayLike, "records"], Float[ArrayLike, "seeds _"]]],
) -> bytes:
    """Test accuracy against how much is embedded, of several runs.

    Args:
      runs: by name, the share of the weights that was trained up to each tested record,
        and the accuracies there, fractions [seeds, records]. Records with the same
        share are drawn at the last of them.

    Returns:
      An SVG image.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.modes import figures
      >>> found = np.array([1.0, 0.5]), np.array([[0.8, 0.9]])
      >>> image = figures.accuracy_by_share({"tied": found})
    """

    def plot(figure: Figure) -> None:
        axes = figure.subplots()
        for color, (name, (share, values)) in zip(cycle(PALETTE), runs.items()):
            embedded = 100 - 100 * np.asarray(share)
            last = np.append(np.diff(embedded) > 0, True)
            percent = 100 * np.asarray(values)[:, last]
            plot_mean(axes, embedded[last], percent, color=color, label=name)
        axes.set(xlabel="embedded weights (%)", ylabel="test accuracy (%)")
        legend_above(figure, axes)

    return draw(plot, height=3.3)
