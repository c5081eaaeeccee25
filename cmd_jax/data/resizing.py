"""Images of one size made of windows of another: random crops, centre crops, scaling.

A window is resized bilinearly, with antialiasing where it shrinks, on the device, by
two small matrices for each image (`jax.image.scale_and_translate`). Pixels just outside
of a window still count for those along its edges; PyTorch, which cuts first, does not
see them.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Float, UInt8

from cmd_jax.types import Array, ArrayLike, Key

_NUM_TRIALS = 10
_ASPECT_RATIOS = (3 / 4, 4 / 3)  # of width to height
_CENTRE_SHARE = 224 / 256  # of the shorter side, that ImageNet's networks are tested on


@functools.partial(jax.jit, static_argnums=1, static_argnames="scale")
def random_resized_crop(
    images: UInt8[ArrayLike, "batch height width channels"],
    side: int,
    *,
    scale: tuple[float, ...],
    key: Key,
) -> UInt8[Array, "batch {side} {side} channels"]:
    """Cuts a window of random area and shape from each image, and resizes it.

    The area is uniform, the ratio of width to height log-uniform in 3/4 ... 4/3, the
    place uniform among whole pixels. The first of ten such draws that fits into the
    image is taken; where none does, the largest centred window of an allowed ratio.

    Args:
      images: uint8 images.
      side: of the resulting images, in pixels; larger or smaller than those given.
      scale: least and largest area of a window, as shares of the image's.
      key: PRNG key; each image has a window of its own.

    Returns:
      The resized windows, rounded to whole levels.

    Raises:
      ValueError: `side` is smaller than 1, or `scale` no range within 0 ... 1.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.data import random_resized_crop
      >>> images = np.full((2, 32, 32, 3), 7, np.uint8)
      >>> key = jax.random.key(0)
      >>> cropped = random_resized_crop(images, 24, scale=(0.08, 1.0), key=key)
      >>> cropped.shape, set(cropped.ravel().tolist())
      ((2, 24, 24, 3), {7})

    References:
      Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6.
    """
    _check_side(side)
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(
            f"scale={scale}; allowed are the least and the largest share of an image's "
            "area, above 0 and at most 1"
        )
    batch, height, width, _ = images.shape

    def crop(image: ArrayLike, draws: Array) -> Array:
        return _resize(image, _window(height, width, scale, draws), side)

    return jax.vmap(crop)(images, jax.random.uniform(key, (batch, 3, _NUM_TRIALS)))


@functools.partial(jax.jit, static_argnums=1)
def centre_resize(
    images: UInt8[ArrayLike, "batch height width channels"], side: int
) -> UInt8[Array, "batch {side} {side} channels"]:
    """Resizes the centre of each image, as networks are tested.

    Of images larger than `side` it is the square of 224/256 of the shorter side: what
    ImageNet's networks see, who resize that side to 256 and cut 224 pixels. Of other
    images it is the largest square.

    Args:
      images: uint8 images.
      side: of the resulting images, in pixels.

    Returns:
      The resized centres, rounded to whole levels; the images themselves where they
      have that side.

    Raises:
      ValueError: `side` is smaller than 1.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.data import centre_resize
      >>> images = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
      >>> centre_resize(images, 7)[0, 0, :, 0].tolist()  # rows and columns .5 to 7.5
      [4, 6, 6, 8, 8, 10, 10]
    """
    _check_side(side)
    height, width = images.shape[1:3]
    shorter = min(height, width)
    if height == width == side:
        return jnp.asarray(images)
    window = shorter * (_CENTRE_SHARE if shorter > side else 1)
    centred = jnp.array([(height - window) / 2, (width - window) / 2, window, window])
    return jax.vmap(lambda image: _resize(image, centred, side))(images)


def _check_side(side: int) -> None:
    if side < 1:
        raise ValueError(f"side={side}; allowed is at least 1 pixel")


def _window(
    height: int,
    width: int,
    scale: tuple[float, ...],
    draws: Float[Array, "3 trials"],
) -> Float[Array, " 4"]:
    """A window in whole pixels: top, left, height, width; of draws in 0 ... 1."""
    least, largest = (share * height * width for share in scale)
    narrowest, widest = (math.log(ratio) for ratio in _ASPECT_RATIOS)
    areas = least + (largest - least) * draws[0]
    ratios = jnp.exp(narrowest + (widest - narrowest) * draws[1])
    heights = jnp.round(jnp.sqrt(areas / ratios))
    widths = jnp.round(jnp.sqrt(areas * ratios))
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    first = jnp.argmax(fits)
    size = jnp.stack([heights[first], widths[first]])
    room = jnp.array([height, width]) - size  # rows and columns that it may move by
    corner = jnp.minimum(jnp.floor((room + 1) * draws[2, :2]), room)  # for rounding
    drawn = jnp.concatenate([corner, size])
    return jnp.where(fits.any(), drawn, _largest_window(height, width))


def _largest_window(height: int, width: int) -> Float[Array, " 4"]:
    """The largest centred window of an allowed ratio of width to height."""
    narrowest, widest = _ASPECT_RATIOS
    taken_height = min(height, round(width / narrowest))
    taken_width = min(width, round(height * widest))
    top, left = (height - taken_height) // 2, (width - taken_width) // 2
    return jnp.array([top, left, taken_height, taken_width], jnp.float32)


def _resize(
    image: UInt8[ArrayLike, "height width channels"],
    window: Float[Array, " 4"],
    side: int,
) -> UInt8[Array, "{side} {side} channels"]:
    """A window of an image as a square image."""
    corner, size = window[:2], window[2:]
    scale = side / size
    resized = jax.image.scale_and_translate(
        jnp.asarray(image, jnp.float32),
        (side, side, image.shape[-1]),
        (0, 1),
        scale,
        -corner * scale,
        method="linear",
    )
    return jnp.round(resized).astype(jnp.uint8)
