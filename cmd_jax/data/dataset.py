"""A data set: three splits of images, points or texts on the host, with statistics."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int, UInt8

from cmd_jax.rng import stream


class Examples(NamedTuple):
    """Images, or windows of a text, with their labels, on the host.

    Attributes:
      inputs: uint8 [examples, height, width, channels]; float32 for points; uint8
        [examples, tokens] for texts.
      labels: int32 [examples], in 0 ... classes - 1; of texts [examples, tokens], one
        for each token.
    """

    inputs: (
        UInt8[np.ndarray, "examples height width channels"]
        | Float32[np.ndarray, "examples height width channels"]
        | UInt8[np.ndarray, "examples tokens"]
    )
    labels: Int[np.ndarray, "examples *tokens"]


class Dataset(NamedTuple):
    """A data set for classification.

    Attributes:
      name: the name it was loaded by.
      source: where it came from: a folder, or the package or function that made it.
      train: the examples to train on, without those held out for validation.
      validation: the held-out examples; there may be none.
      test: the test set.
      num_classes: number of classes.
      mean: mean of each channel over `train`, with pixels scaled to 0 ... 1; 0 for
        points, which are taken as they are; tokens have no channels.
      std: standard deviation of each channel over `train`, likewise; 1 for a channel
        that never varies, and for points.
    """

    name: str
    source: str
    train: Examples
    validation: Examples
    test: Examples
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def of_tokens(self) -> bool:
        """Whether the examples are windows of a text, with a label for each token."""
        return self.train.inputs.ndim == 2


def hold_out(examples: Examples, num_validation: int) -> tuple[Examples, Examples]:
    """Splits a training set into (train, validation), the same way in every run.

    The held-out examples are the first of a permutation whose key is fixed and does not
    depend on a run's seed, so runs of different seeds are validated alike. Both parts
    keep the order of the source.

    Args:
      examples: the training set of the source.
      num_validation: how many examples to hold out; 0 gives an empty validation set.

    Returns:
      The remaining and the held-out examples.

    Raises:
      TypeError: `num_validation` is not an integer.
      ValueError: it is negative, or leaves nothing to train on.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.data import Examples, hold_out
      >>> images = np.zeros((9, 8, 8, 1), np.uint8)
      >>> labels = np.arange(9, dtype=np.int32)
      >>> train, validation = hold_out(Examples(images, labels), 3)
      >>> len(train.labels), len(validation.labels)
      (6, 3)
    """
    num_examples = len(examples.labels)
    if isinstance(num_validation, bool) or not isinstance(num_validation, int):
        raise TypeError(
            f"num_validation={num_validation!r}; allowed is a whole number of examples"
        )
    if not 0 <= num_validation < num_examples:
        raise ValueError(
            f"num_validation={num_validation}; allowed is 0 to {num_examples - 1}, "
            f"fewer than the {num_examples} training examples"
        )
    if num_validation == 0:
        return examples, take(examples, np.arange(0))
    validation, train = partition(num_examples, num_validation, "validation")
    return take(examples, train), take(examples, validation)


def partition(
    num_examples: int, num_first: int, name: str
) -> tuple[Int[np.ndarray, " first"], Int[np.ndarray, " rest"]]:
    """Indices of `num_first` examples that the fixed stream `name` draws; the rest."""
    key = stream(jax.random.key(0), name)
    order = np.asarray(jax.random.permutation(key, num_examples))
    return np.sort(order[:num_first]), np.sort(order[num_first:])


def take(examples: Examples, indices: Int[np.ndarray, " taken"]) -> Examples:
    """The examples at `indices`, in that order."""
    return Examples(examples.inputs[indices], examples.labels[indices])


def channel_statistics(
    images: UInt8[np.ndarray, "examples height width channels"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, with pixels scaled to 0 ... 1.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.data import channel_statistics
      >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
      ((0.5,), (0.5,))
    """
    levels = np.arange(256) / 255
    counts = np.stack([_histogram(images[..., c]) for c in range(images.shape[-1])])
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ levels
    variance = (weights * (levels - mean[:, None]) ** 2).sum(axis=1)
    std = np.where(variance > 0, np.sqrt(variance), 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())


def _histogram(channel: UInt8[np.ndarray, "examples height width"]) -> np.ndarray:
    # In blocks: bincount widens its argument to int64.
    blocks = np.array_split(channel, max(1, len(channel) // 1000))
    return sum(np.bincount(b.ravel(), minlength=256) for b in blocks)  # pyright: ignore
