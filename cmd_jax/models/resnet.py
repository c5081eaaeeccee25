"""ResNet18 for small images, as CMD trains it on CIFAR-10 (P2 Table 1), and for large.

A 3 x 3 stem without pooling, four stages of two basic blocks with 64-128-256-512
channels, the last three halving the image, mean over the image, one dense layer: 11 173
962 trainable parameters with 10 classes. Convolutions have no bias; BatchNorm follows
each, also in the 1 x 1 shortcuts where the shape changes. The stem of ImageNet's
ResNet18 is a 7 x 7 convolution and max-pooling, which make a quarter of the image's
side: 11 689 512 parameters with 1 000 classes.
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import STATISTICS, BatchNorm
from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.types import Array

_DTYPES = ("float32", "bfloat16")
_STEMS = ("small", "imagenet")
_STAGES = 4
_BLOCKS_PER_STAGE = 2


class ResNet18(nn.Module):
    """ResNet18 with BatchNorm and ReLU.

    Attributes:
      num_classes: outputs.
      width: channels of the first stage, doubled in each later one; the paper's is 64.
      statistics: BatchNorm's, see `BatchNorm`; the paper's are `"batch"`.
      dtype: what is computed in, `"float32"` or `"bfloat16"`; parameters, statistics
        and logits are float32 in any case. bfloat16 is for accelerators: a CPU gives
        the same numbers, slower.
      stem: what comes before the blocks: `"small"`, a 3 x 3 convolution, or
        `"imagenet"`, one of 7 x 7 with stride 2, and 3 x 3 max-pooling with stride 2.
      remat: whether a block's maps are computed again in the backward pass and not
        kept, which saves memory and costs a forward pass.

    Raises:
      ValueError: `width` is smaller than 1, or a name is not allowed.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("resnet18", num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params), state
      (11173962, {})

    References:
      He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    width: int = 64
    statistics: str = "batch"
    dtype: str = "float32"
    stem: str = "small"
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"width={self.width}; allowed is at least 1")
        for name, allowed in (
            ("statistics", STATISTICS),
            ("dtype", _DTYPES),
            ("stem", _STEMS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}; allowed are "
                    + " and ".join(map(repr, allowed))
                )

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        block = nn.remat(_Block, static_argnums=(2,)) if self.remat else _Block
        large = self.stem == "imagenet"
        kernel, stride = (7, 2) if large else (3, 1)
        x = _conv(
            inputs,
            self.width,
            kernel=kernel,
            stride=stride,
            dtype=self.dtype,
            name="conv",
        )
        x = nn.relu(BatchNorm(self.statistics, self.dtype, name="norm")(x, train))
        if large:
            padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # zeros after ReLU
            x = nn.max_pool(padded, (3, 3), strides=(2, 2))
        for index in range(_STAGES * _BLOCKS_PER_STAGE):
            stage, place = divmod(index, _BLOCKS_PER_STAGE)
            x = block(
                features=self.width * 2**stage,
                stride=2 if stage > 0 and place == 0 else 1,
                statistics=self.statistics,
                dtype=self.dtype,
                name=f"block_{index}",
            )(x, train)
        x = x.astype(jnp.float32).mean(axis=(1, 2))
        init = fan_in_uniform(x.shape[-1])
        dense = nn.Dense(
            self.num_classes, kernel_init=init, bias_init=init, name="dense"
        )
        return dense(x)


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    features: int
    stride: int
    statistics: str
    dtype: str

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        def norm(x: Array, name: str) -> Array:
            return BatchNorm(self.statistics, self.dtype, name=name)(x, train)

        def conv(x: Array, kernel: int, stride: int, name: str) -> Array:
            return _conv(
                x,
                self.features,
                kernel=kernel,
                stride=stride,
                dtype=self.dtype,
                name=name,
            )

        y = nn.relu(norm(conv(x, 3, self.stride, "conv_0"), "norm_0"))
        y = norm(conv(y, 3, 1, "conv_1"), "norm_1")
        if x.shape != y.shape:
            x = norm(conv(x, 1, self.stride, "shortcut"), "shortcut_norm")
        return nn.relu(x + y)


def _conv(
    x: Array, features: int, *, kernel: int, dtype: Any, name: str, stride: int = 1
) -> Array:
    """A convolution padded alike on all sides, as PyTorch does; "SAME" is not."""
    layer = nn.Conv(
        features,
        (kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        use_bias=False,
        dtype=dtype,
        kernel_init=fan_in_uniform(kernel * kernel * x.shape[-1]),
        name=name,
    )
    return layer(x)
