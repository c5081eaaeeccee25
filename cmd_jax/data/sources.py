"""Data sets by name: digits (in scikit-learn), prepared sets, and synthetic ones.

Digits are the 1 797 images of 8 x 8 pixels, 0 ... 16, that scikit-learn ships; it has
no split of them, so a fixed permutation makes one: 1 437 to train, 360 to test. MNIST,
Fashion-MNIST, CIFAR-10 and CIFAR-100 are read as TensorFlow Datasets prepared them, in
their published splits, other images from folders of files. Circles and moons are points
of the plane, tiny Shakespeare is a text. Synthetic images and texts stand in for any of
them in tests.
"""

import inspect
import math
import os
from typing import Any

import jax
import numpy as np

from cmd_jax.data import prepared
from cmd_jax.data.dataset import (
    Dataset,
    Examples,
    channel_statistics,
    hold_out,
    partition,
    take,
)
from cmd_jax.data.image_files import Task, image_folder, silent
from cmd_jax.data.points import POINTS, points
from cmd_jax.data.text import synthetic_text, tiny_shakespeare
from cmd_jax.rng import generator, stream
from cmd_jax.spelling import did_you_mean
from cmd_jax.types import Key

_PREPARED = ("cifar10", "cifar100", "fashion_mnist", "mnist")
_TEXTS = {"synthetic_text": synthetic_text, "tiny_shakespeare": tiny_shakespeare}
_NAMES = (*_PREPARED, *POINTS, *_TEXTS, "digits", "image_folder", "synthetic")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and std, as customary
_NORMALIZATIONS = ("statistics", "range", "half", "imagenet")
_DIGITS_TEST = 360
_MAX_PIXELS = 2**28  # of synthetic images; the noise takes eight bytes each


def load(
    name: str,
    *,
    directory: str | os.PathLike[str] | None = None,
    num_validation: int = 0,
    normalization: str = "statistics",
    task: Task = silent,
    **options: Any,
) -> Dataset:
    """Loads a data set by its name.

    Args:
      name: `"digits"`, `"mnist"`, `"fashion_mnist"`, `"cifar10"`, `"cifar100"`,
        `"circles"`, `"moons"`, `"image_folder"`, `"tiny_shakespeare"`, `"synthetic"` or
        `"synthetic_text"`.
      directory: folder of prepared data sets; see `search_folders` for the default.
      num_validation: training examples held out for validation; see `hold_out`. 0 for
        tiny Shakespeare, which has a validation split of its own.
      normalization: `"statistics"` of the training set; `"range"`: pixels are only
        scaled to 0 ... 1, the largest being 1; `"half"`: to -1 ... 1 by a mean and a
        deviation of 1/2, as for vision transformers; or `"imagenet"`: by the mean and
        the deviation of ImageNet's three channels.
      task: shows how far it is with what takes long, the decoding of image files.
      **options: for `"synthetic"`, `"synthetic_text"` and `"image_folder"` those of
        the functions of that name; for circles and moons `num_examples` and `noise`;
        for tiny Shakespeare `context`.

    Returns:
      The data set, in host memory.

    Raises:
      FileNotFoundError: the data set is not prepared; the message says how to do it.
      ValueError: the name is unknown, `num_validation` leaves nothing to train on,
        an image cannot be read, or a text is to be normalised.
      TypeError: an option that the data set does not have.

    Example:
      >>> from cmd_jax import data
      >>> digits = data.load("digits", num_validation=137)
      >>> digits.train.inputs.shape, len(digits.validation.labels)
      ((1300, 8, 8, 1), 137)
    """
    if name not in _NAMES:
        raise ValueError(
            f"unknown data set {name!r}{did_you_mean(name, _NAMES)}; "
            f"allowed are {', '.join(sorted(_NAMES))}"
        )
    if normalization not in _NORMALIZATIONS:
        raise ValueError(
            f"unknown normalization {normalization!r}"
            f"{did_you_mean(normalization, _NORMALIZATIONS)}; allowed are "
            f"{', '.join(_NORMALIZATIONS)}"
        )
    if name == "image_folder":
        options["task"] = task
    dataset = _load(name, directory, num_validation, options)
    return _normalized(dataset, normalization)


def _load(
    name: str,
    directory: str | os.PathLike[str] | None,
    num_validation: int,
    options: dict[str, Any],
) -> Dataset:
    if name in _WITH_OPTIONS:
        _check_options(name, options)
    elif options:
        raise TypeError(
            f"data set {name!r} has no options, but {', '.join(options)} came; only "
            f"{', '.join(map(repr, _WITH_OPTIONS))} have"
        )
    if name == "synthetic":
        return synthetic(num_validation=num_validation, **options)
    if name == "synthetic_text":
        return synthetic_text(num_validation=num_validation, **options)
    if name in ("image_folder", "tiny_shakespeare"):
        return _WITH_OPTIONS[name](
            directory=directory, num_validation=num_validation, **options
        )
    if name in POINTS:
        return points(name, num_validation=num_validation, **options)
    if name == "digits":
        return _digits(num_validation)
    return _prepared(name, directory, num_validation)


def _normalized(dataset: Dataset, normalization: str) -> Dataset:
    """The data set with the mean and deviation that the normalization names."""
    if normalization == "statistics":
        return dataset
    if dataset.of_tokens:
        raise ValueError(
            f"normalization={normalization!r} of {dataset.name!r}; a text is not "
            "normalised"
        )
    if normalization == "half":
        half = (0.5,) * len(dataset.mean)
        return dataset._replace(mean=half, std=half)
    return (_by_imagenet if normalization == "imagenet" else _by_range)(dataset)


def _by_range(dataset: Dataset) -> Dataset:
    """The data set with a mean and deviation that scale its pixels to 0 ... 1."""
    channels, largest = len(dataset.mean), int(dataset.train.inputs.max())
    std = (max(largest, 1) / 255,) * channels
    return dataset._replace(mean=(0.0,) * channels, std=std)


def _by_imagenet(dataset: Dataset) -> Dataset:
    if len(dataset.mean) != 3:
        raise ValueError(
            f"normalization='imagenet' is for three channels, and data set "
            f"{dataset.name!r} has {len(dataset.mean)}"
        )
    mean, std = _IMAGENET
    return dataset._replace(mean=mean, std=std)


def synthetic(
    *,
    shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    num_train: int = 512,
    num_test: int = 128,
    num_validation: int = 0,
    key: Key | None = None,
) -> Dataset:
    """Learnable images of any shape: a coarse pattern for each class, plus noise.

    Args:
      shape: (height, width, channels) of an image.
      num_classes: number of classes; examples take them in turn.
      num_train: training examples, those held out for validation included.
      num_test: test examples.
      num_validation: training examples held out for validation.
      key: PRNG key of patterns and noise; by default always the same.

    Returns:
      The data set.

    Raises:
      ValueError: a size is smaller than 1, or the images are too many.

    Example:
      >>> from cmd_jax import data
      >>> data.synthetic(shape=(28, 28, 1), num_train=100).train.inputs.shape
      (100, 28, 28, 1)
    """
    if len(shape) != 3:
        raise ValueError(f"shape={tuple(shape)}; allowed is (height, width, channels)")
    if min(*shape, num_classes, num_train, num_test) < 1:
        raise ValueError(
            f"shape={tuple(shape)}, num_classes={num_classes}, num_train={num_train}, "
            f"num_test={num_test}; allowed are sizes of at least 1"
        )
    if (num_train + num_test) * math.prod(shape) > _MAX_PIXELS:
        raise ValueError(
            f"shape={tuple(shape)}, num_train={num_train}, num_test={num_test}; "
            f"allowed are {_MAX_PIXELS:,} numbers in all images together"
        )
    key = stream(jax.random.key(0), "synthetic") if key is None else key
    draws = generator(key)
    patterns = _coarse_patterns(shape, num_classes, draws)
    return _dataset(
        "synthetic",
        "cmd_jax.data.synthetic",
        _noisy(patterns, num_train, draws),
        _noisy(patterns, num_test, draws),
        num_classes=num_classes,
        num_validation=num_validation,
    )


def _check_options(name: str, options: dict[str, Any]) -> None:
    given = inspect.signature(_WITH_OPTIONS[name]).parameters
    allowed = set(given) - {"name", "num_validation", "directory"}
    if unknown := sorted(set(options) - allowed):
        raise TypeError(
            f"data set {name!r} has no option {unknown[0]!r}; allowed are "
            f"{', '.join(sorted(allowed))}"
        )


_WITH_OPTIONS = {
    "image_folder": image_folder,
    "synthetic": synthetic,
    **_TEXTS,
    **dict.fromkeys(POINTS, points),
}


def _coarse_patterns(
    shape: tuple[int, int, int], num_classes: int, draws: np.random.Generator
) -> np.ndarray:
    height, width, channels = shape
    cells = draws.uniform(0, 255, (num_classes, 4, 4, channels))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return cells[:, rows][:, :, columns].astype(np.float32)


def _noisy(
    patterns: np.ndarray, num_examples: int, draws: np.random.Generator
) -> Examples:
    labels = np.arange(num_examples, dtype=np.int32) % len(patterns)
    noise = draws.normal(0, 32, (num_examples, *patterns.shape[1:]))
    return Examples((patterns[labels] + noise).clip(0, 255).astype(np.uint8), labels)


def _digits(num_validation: int) -> Dataset:
    # Imported here: scikit-learn takes a second, and only this data set needs it.
    import sklearn
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    examples = Examples(
        images.reshape(-1, 8, 8, 1).astype(np.uint8), labels.astype(np.int32)
    )
    test, train = partition(len(examples.labels), _DIGITS_TEST, "digits")
    source = f"scikit-learn {sklearn.__version__}"
    return _dataset(
        "digits",
        source,
        take(examples, train),
        take(examples, test),
        num_classes=10,
        num_validation=num_validation,
    )


def _prepared(
    name: str, directory: str | os.PathLike[str] | None, num_validation: int
) -> Dataset:
    found = prepared.read(name, directory)
    return _dataset(
        name,
        str(found.folder),
        found.train,
        found.test,
        num_classes=found.num_classes,
        num_validation=num_validation,
    )


def _dataset(
    name: str,
    source: str,
    train: Examples,
    test: Examples,
    *,
    num_classes: int,
    num_validation: int,
) -> Dataset:
    train, validation = hold_out(train, num_validation)
    statistics = channel_statistics(train.inputs)
    return Dataset(name, source, train, validation, test, num_classes, *statistics)
