"""What sizes of layers and images a network may have."""

from cmd_jax.types import Array


def check_sizes(**sizes: int) -> None:
    """Refuses a network without some of its layers, channels or units.

    Raises:
      ValueError: names the size and its value.

    Example:
      >>> check_sizes(width=8, depth=0)
      Traceback (most recent call last):
      ValueError: depth=0; allowed is at least 1
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size}; allowed is at least 1")


def check_images(images: Array, *, smallest: int, network: str) -> None:
    """Refuses images that a network's unpadded layers leave nothing of.

    Args:
      images: [batch, height, width, channels].
      smallest: side of the smallest images that it takes, in pixels.
      network: its name.

    Raises:
      ValueError: with both sizes and what to do.
    """
    height, width = images.shape[1:3]
    if min(height, width) < smallest:
        raise ValueError(
            f"images of {height} x {width} are too small for {network}; allowed is at "
            f"least {smallest} x {smallest}. Train an MLP on them"
        )
