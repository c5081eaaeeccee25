"""The figure of embedded training: what is trained, in what memory, how well."""

import numpy as np
from jaxtyping import Float, Num

from cmd_jax.figures import PALETTE, Figure, draw, plot_mean
from cmd_jax.types import ArrayLike

_BLUE, _ORANGE = PALETTE[:2]


def embedding(
    epochs: Num[ArrayLike, "records"],
    trained_share: Float[ArrayLike, "records"],
    optimizer_bytes: Num[ArrayLike, "records"],
    evaluated_epochs: Num[ArrayLike, "evaluated"],
    accuracy: Float[ArrayLike, "seeds evaluated"],
) -> bytes:
    """Trained weights, memory and accuracy by epoch, and accuracy against the first.

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
    percent, accuracies = 100 * np.asarray(trained_share), 100 * np.asarray(accuracy)

    def plot(figure: Figure) -> None:
        left, middle, right = figure.subplots(1, 3)
        left.step(epochs, percent, color=_BLUE, label="trained weights (%)")
        bytes_ = np.asarray(optimizer_bytes)
        memory = 100 * bytes_ / max(bytes_[0], 1)
        left.step(epochs, memory, color=_ORANGE, ls="--", label="optimizer (%)")
        left.set(xlabel="epoch", ylim=(0, 105))
        left.legend(loc="lower left")
        plot_mean(middle, tested, accuracies, color=_BLUE, label="accuracy")
        middle.set(xlabel="epoch", ylabel="test accuracy (%)")
        places = np.searchsorted(epochs, tested).clip(0, len(epochs) - 1)
        right.errorbar(
            100 - percent[places],
            accuracies.mean(axis=0),
            accuracies.std(axis=0),
            color=_BLUE,
            marker=".",
            ls="none",
        )
        right.set(xlabel="embedded weights (%)", ylabel="test accuracy (%)")

    return draw(plot, height=2.8)
