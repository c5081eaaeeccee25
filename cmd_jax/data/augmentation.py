"""Augmentation on the device: random crop, horizontal flip, normalisation (section 7).

Crops of random size and resized images are in `cmd_jax.data.resizing`.

Images stay uint8 until they are normalised: a quarter of the memory traffic of float32.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, UInt8

from cmd_jax.data.dataset import Dataset
from cmd_jax.data.resizing import centre_resize, random_resized_crop
from cmd_jax.rng import stream
from cmd_jax.types import Array, ArrayLike, Key

_LARGEST_SIDE = 4096  # in pixels, of images that are resized

Stored = (
    UInt8[ArrayLike, "batch height width channels"]
    | Float32[ArrayLike, "batch height width channels"]
)
"""Images as uint8, or points as float32."""


def normalize(
    images: Stored,
    mean: Sequence[float],
    std: Sequence[float],
) -> Float[Array, "batch height width channels"]:
    """Scales pixels to 0 ... 1, subtracts the mean and divides by the deviation.

    Args:
      images: uint8 images, or float32 points, which are not scaled.
      mean: of each channel, with pixels scaled to 0 ... 1, as `Dataset.mean`.
      std: likewise, as `Dataset.std`.

    Returns:
      float32 images: (images / 255 - mean) / std, channel by channel.

    Raises:
      ValueError: `mean` or `std` does not have one positive number a channel.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.data import normalize
      >>> white = np.full((1, 1, 1, 1), 255, np.uint8)
      >>> round(normalize(white, mean=[0.5], std=[0.25]).item(), 3)
      2.0
    """
    channels = images.shape[-1]
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise ValueError(
            f"mean={tuple(mean)} and std={tuple(std)}; allowed are one number for each "
            f"of the {channels} channels, std positive"
        )
    per_channel = (1, 1, 1, channels)
    largest = 255 if images.dtype == np.uint8 else 1
    scale = (1 / (largest * np.asarray(std))).reshape(per_channel)
    shift = (np.asarray(mean) / np.asarray(std)).reshape(per_channel)
    return _affine(images, scale.astype(np.float32), shift.astype(np.float32))


@jax.jit
def _affine(images: ArrayLike, scale: ArrayLike, shift: ArrayLike) -> Array:
    return jnp.asarray(images, jnp.float32) * scale - shift


@functools.partial(jax.jit, static_argnums=1)
def random_crop(
    images: UInt8[ArrayLike, "batch height width channels"], padding: int, *, key: Key
) -> UInt8[Array, "batch height width channels"]:
    """Pads each image with zeros and cuts a window of its own size at random.

    Args:
      images: uint8 images.
      padding: pixels added on every side; an image moves by at most that much.
      key: PRNG key; each image has an offset of its own.

    Returns:
      The moved images.

    Raises:
      ValueError: `padding` is negative.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.data import random_crop
      >>> images = np.ones((2, 8, 8, 1), np.uint8)
      >>> random_crop(images, 2, key=jax.random.key(0)).shape
      (2, 8, 8, 1)
    """
    if padding < 0:
        raise ValueError(f"padding={padding}; allowed is at least 0 pixels")
    batch, *window = images.shape
    padded = _pad(images, padding)
    offsets = jax.random.randint(key, (batch, 2), 0, 2 * padding + 1)

    def cut(image: Array, offset: Array) -> Array:
        return jax.lax.dynamic_slice(image, (offset[0], offset[1], 0), window)

    return jax.vmap(cut)(padded, offsets)


def _pad(images: ArrayLike, padding: int) -> Array:
    border = (padding, padding)
    return jnp.pad(images, ((0, 0), border, border, (0, 0)))


@jax.jit
def random_flip(
    images: UInt8[ArrayLike, "batch height width channels"], *, key: Key
) -> UInt8[Array, "batch height width channels"]:
    """Mirrors each image left to right with probability 1/2.

    Args:
      images: uint8 images.
      key: PRNG key; each image is decided on its own.

    Returns:
      The images, some of them mirrored.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.data import random_flip
      >>> images = np.array([[[[1], [2]]]], np.uint8)
      >>> sorted(random_flip(images, key=jax.random.key(0)).ravel().tolist())
      [1, 2]
    """
    flip = jax.random.bernoulli(key, shape=(images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def augmenter(
    dataset: Dataset,
    *,
    crop_padding: int = 0,
    crop_scale: tuple[float, ...] = (),
    image_size: int = 0,
    flip: bool = False,
) -> Callable[..., Array]:
    """What turns stored images into inputs of a network, in training and evaluation.

    Windows of a text are inputs as they are stored: the numbers of their tokens.

    Args:
      dataset: its mean and standard deviation normalise the images.
      crop_padding: random crop after padding by that many pixels; 0 leaves it out.
      crop_scale: the crop takes windows of such shares of the (padded) image's area
        and resizes them, as `random_resized_crop`; () leaves them their size.
      image_size: side of the inputs, in pixels; other images, and those that are not
        cropped at random, are resized as by `centre_resize`. 0 leaves them their size.
      flip: whether to mirror images at random.

    Returns:
      `preprocess(images, *, train=False, key=None)` from stored to float32 images
      [batch, height, width, channels]. Crop and flip act only where `train` is true,
      and need the `key` then.

    Raises:
      ValueError: `crop_padding` is negative or above an image's side; `crop_scale` or
        `image_size` is not allowed, or given for points; a text is to be augmented; or
        `preprocess` augments without a key.

    Example:
      >>> import jax
      >>> from cmd_jax import data
      >>> digits = data.load("digits")
      >>> preprocess = data.augmenter(digits, crop_padding=1)
      >>> inputs = preprocess(digits.train.inputs, train=True, key=jax.random.key(0))
      >>> inputs.shape, str(inputs.dtype)
      ((1437, 8, 8, 1), 'float32')
    """
    if dataset.of_tokens:
        return _as_stored(
            dataset,
            crop_padding=crop_padding,
            crop_scale=crop_scale,
            image_size=image_size,
            flip=flip,
        )
    side = min(dataset.train.inputs.shape[1:3])
    if not 0 <= crop_padding <= side:
        raise ValueError(
            f"crop_padding={crop_padding}; allowed are 0 to {side} pixels, the side of "
            "an image"
        )
    _check_resizing(dataset, crop_scale, image_size)
    resized = image_size or (side if crop_scale else 0)

    def preprocess(
        images: Stored,
        *,
        train: bool = False,
        key: Key | None = None,
    ) -> Float[Array, "batch _ _ channels"]:
        if train and (crop_padding or crop_scale or flip):
            images = _augment(images, key)
        elif resized:
            images = centre_resize(images, resized)
        return normalize(images, dataset.mean, dataset.std)

    def _augment(images: ArrayLike, key: Key | None) -> ArrayLike:
        if key is None:
            raise ValueError("key=None; random crop and flip need a key in training")
        images = _crop(images, stream(key, "crop"))
        return random_flip(images, key=stream(key, "flip")) if flip else images

    def _crop(images: ArrayLike, key: Key) -> ArrayLike:
        if crop_scale:
            padded = _pad(images, crop_padding)
            return random_resized_crop(padded, resized, scale=crop_scale, key=key)
        if resized:
            images = centre_resize(images, resized)
        return random_crop(images, crop_padding, key=key) if crop_padding else images

    return preprocess


def _check_resizing(
    dataset: Dataset, crop_scale: tuple[float, ...], image_size: int
) -> None:
    if not 0 <= image_size <= _LARGEST_SIDE:
        raise ValueError(
            f"image_size={image_size}; allowed are 1 to {_LARGEST_SIDE} pixels, and 0 "
            "to leave images as they are"
        )
    if crop_scale and not (
        len(crop_scale) == 2 and 0 < crop_scale[0] <= crop_scale[1] <= 1
    ):
        raise ValueError(
            f"crop_scale={crop_scale}; allowed are two shares of an image's area, as "
            "(0.08, 1.0), and () to leave windows their size"
        )
    if (crop_scale or image_size) and dataset.train.inputs.dtype != np.uint8:
        raise ValueError(
            f"crop_scale={crop_scale} and image_size={image_size}; data set "
            f"{dataset.name!r} has points, which cannot be resized"
        )


def _as_stored(dataset: Dataset, **options: Any) -> Callable[..., Array]:
    if any(options.values()):
        raise ValueError(
            f"{options} of {dataset.name!r}; allowed are 0, (), 0 and False: a text is "
            "not augmented"
        )

    def preprocess(
        tokens: UInt8[ArrayLike, "batch tokens"],
        *,
        train: bool = False,
        key: Key | None = None,
    ) -> UInt8[Array, "batch tokens"]:
        del train, key
        return jnp.asarray(tokens)

    return preprocess
