"""PyTorch's default initialisation, used by every network of the CMD paper (section 7).

Kernels and biases alike are drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from cmd_jax.types import Array, Key


def fan_in_uniform(fan_in: int, scale: float = 1.0) -> Initializer:
    """The initializer U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for a kernel and its bias.

    Flax initialises a bias without knowing how many inputs feed it, so the number is
    given here and not read off the shape.

    Args:
      fan_in: inputs of one output: features of a dense layer, kernel height x kernel
        width x input channels of a convolution.
      scale: a factor on the bound; 1 is PyTorch's.

    Returns:
      An initializer `(key, shape, dtype) -> array`.

    Raises:
      ValueError: `fan_in` is smaller than 1, or `scale` is not positive.

    Example:
      >>> import jax
      >>> from cmd_jax.models import fan_in_uniform
      >>> kernel = fan_in_uniform(100)(jax.random.key(0), (100, 10))
      >>> bool(abs(kernel).max() <= 0.1)
      True

    References:
      He et al., Delving Deep into Rectifiers, ICCV 2015, with the gain sqrt(1/3) that
      PyTorch's `Linear` and `Conv2d` have by default.
    """
    if fan_in < 1:
        raise ValueError(f"fan_in={fan_in}; allowed is at least 1 input per output")
    if not 0 < scale < float("inf"):
        raise ValueError(f"scale={scale}; allowed is a positive number")
    bound = scale * fan_in**-0.5

    def initializer(
        key: Key,
        shape: Sequence[int],
        dtype: Any = jnp.float32,
        out_sharding: Any = None,
    ) -> Array:
        del out_sharding  # XLA's to decide: meshes have Auto axes here
        return jax.random.uniform(key, shape, dtype, minval=-bound, maxval=bound)

    return initializer
