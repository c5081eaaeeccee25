"""The layers that networks published in PyTorch consist of, with its defaults.

Convolutions are padded alike on all sides, which "SAME" is not where they stride.
Kernels and biases begin as U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
"""

from typing import Any

from flax import linen as nn
from jax.nn.initializers import Initializer

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.types import Array


def conv(
    x: Array,
    features: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    use_bias: bool = False,
    init: Initializer | None = None,
    dtype: Any = None,
    name: str,
) -> Array:
    """A convolution of maps, within a module's `__call__`.

    Args:
      x: float maps [batch, height, width, channels].
      features: channels of the result.
      kernel: height and width of the window; odd, and then stride 1 keeps the size.
      stride: places between two windows.
      groups: of channels that are convolved apart.
      use_bias: whether a bias is added.
      init: of the kernel, where it is not PyTorch's; the bias then begins at zero.
      dtype: what is computed in; None for the type of what comes in.
      name: of the layer.
    """
    default = fan_in_uniform(kernel * kernel * x.shape[-1] // groups)
    layer = nn.Conv(
        features,
        (kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        feature_group_count=groups,
        use_bias=use_bias,
        dtype=dtype,
        kernel_init=init or default,
        bias_init=nn.initializers.zeros if init else default,
        name=name,
    )
    return layer(x)


def dense(x: Array, features: int, *, name: str) -> Array:
    """A dense layer with bias, within a module's `__call__`."""
    init = fan_in_uniform(x.shape[-1])
    return nn.Dense(features, kernel_init=init, bias_init=init, name=name)(x)
