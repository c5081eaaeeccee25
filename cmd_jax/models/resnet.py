"""ResNet18 for small images, as CMD trains it on CIFAR-10 (P2 Table 1), and for large.

A 3 x 3 stem without pooling, four stages of two basic blocks with 64-128-256-512
channels, the last three halving the image, mean over the image, one dense layer: 11 173
962 trainable parameters with 10 classes. Convolutions have no bias; BatchNorm follows
each, also in the 1 x 1 shortcuts where the shape changes. The stem of ImageNet's
ResNet18 is a 7 x 7 convolution and max-pooling, which make a quarter of the image's
side: 11 689 512 parameters with 1 000 classes.
"""

import functools

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm, check_statistics
from cmd_jax.models.layers import conv, dense
from cmd_jax.models.pooling import overlapping_max_pool
from cmd_jax.models.sizes import check_sizes
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
        check_sizes(width=self.width)
        check_statistics(self.statistics)
        for name, allowed in (("dtype", _DTYPES), ("stem", _STEMS)):
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
        x = conv(
            inputs,
            self.width,
            kernel=kernel,
            stride=stride,
            dtype=self.dtype,
            name="conv",
        )
        x = nn.relu(BatchNorm(self.statistics, self.dtype, name="norm")(x, train))
        if large:
            x = overlapping_max_pool(x, stride=2)
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
        return dense(x, self.num_classes, name="dense")


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

        layer = functools.partial(conv, features=self.features, dtype=self.dtype)
        y = layer(x, stride=self.stride, name="conv_0")
        y = layer(nn.relu(norm(y, "norm_0")), name="conv_1")
        y = norm(y, "norm_1")
        if x.shape != y.shape:
            x = layer(x, kernel=1, stride=self.stride, name="shortcut")
            x = norm(x, "shortcut_norm")
        return nn.relu(x + y)
