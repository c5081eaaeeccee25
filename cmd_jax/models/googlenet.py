"""GoogLeNet for small images, as CMD trains it on CIFAR-10 (P2 Table 1; section 7).

A 3 x 3 stem with 192 channels, stages of 2, 5 and 2 Inception blocks, max-pooling 3 x 3
with stride 2 between them, mean over the image, one dense layer: 6 166 250 trainable
parameters with 10 classes. A 5 x 5 convolution is two of 3 x 3.
"""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm, check_statistics
from cmd_jax.models.layers import conv, dense
from cmd_jax.models.pooling import overlapping_max_pool
from cmd_jax.types import Array


class _Channels(NamedTuple):
    """Those of a block's four branches, at the paper's width."""

    conv_1x1: int
    reduce_3x3: int
    conv_3x3: int
    reduce_5x5: int
    conv_5x5: int
    pool: int


_WIDTH = 64
_STEM = 192
_STAGES = (
    (
        _Channels(64, 96, 128, 16, 32, 32),
        _Channels(128, 128, 192, 32, 96, 64),
    ),
    (
        _Channels(192, 96, 208, 16, 48, 64),
        _Channels(160, 112, 224, 24, 64, 64),
        _Channels(128, 128, 256, 24, 64, 64),
        _Channels(112, 144, 288, 32, 64, 64),
        _Channels(256, 160, 320, 32, 128, 128),
    ),
    (
        _Channels(256, 160, 320, 32, 128, 128),
        _Channels(384, 192, 384, 48, 128, 128),
    ),
)


class GoogLeNet(nn.Module):
    """GoogLeNet with BatchNorm and ReLU after each convolution, which has a bias.

    Attributes:
      num_classes: outputs.
      width: channels of the first 1 x 1 convolution, a multiple of 8; all other numbers
        of channels keep their ratio to it. The paper's is 64.
      blocks_per_stage: at most so many of a stage's blocks, the first ones; 5 are all.
      statistics: BatchNorm's, see `BatchNorm`; the paper's are `"running"`.

    Raises:
      ValueError: a width or number of blocks that is not allowed, or unknown
        statistics.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("googlenet", num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params)
      6166250

    References:
      Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    width: int = _WIDTH
    blocks_per_stage: int = 5
    statistics: str = "running"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 8 or self.width % 8:
            raise ValueError(f"width={self.width}; allowed are multiples of 8")
        if not 1 <= self.blocks_per_stage <= 5:
            raise ValueError(
                f"blocks_per_stage={self.blocks_per_stage}; allowed are 1 to 5"
            )
        check_statistics(self.statistics)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        stem = _STEM * self.width // _WIDTH
        x = _layer(inputs, stem, 3, self.statistics, train, name="conv")
        for stage, blocks in enumerate(_STAGES):
            if stage > 0:
                x = overlapping_max_pool(x, stride=2)
            for place, channels in enumerate(blocks[: self.blocks_per_stage]):
                name = f"block_{stage}_{place}"
                block = _Inception(channels, self.width, self.statistics, name=name)
                x = block(x, train)
        return dense(x.mean(axis=(1, 2)), self.num_classes, name="dense")


class _Inception(nn.Module):
    """Four branches side by side: 1 x 1, 3 x 3, 5 x 5 and pooled."""

    channels: _Channels
    width: int
    statistics: str

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        def layer(x: Array, features: int, kernel: int, name: str) -> Array:
            features = features * self.width // _WIDTH
            return _layer(x, features, kernel, self.statistics, train, name=name)

        channels = self.channels
        one = layer(x, channels.conv_1x1, 1, "conv_1x1")
        three = layer(x, channels.reduce_3x3, 1, "reduce_3x3")
        three = layer(three, channels.conv_3x3, 3, "conv_3x3")
        five = layer(x, channels.reduce_5x5, 1, "reduce_5x5")
        for place in range(2):
            five = layer(five, channels.conv_5x5, 3, f"conv_5x5_{place}")
        pooled = layer(overlapping_max_pool(x, stride=1), channels.pool, 1, "pool")
        return jnp.concatenate([one, three, five, pooled], axis=-1)


def _layer(
    x: Array, features: int, kernel: int, statistics: str, train: bool, *, name: str
) -> Array:
    """A convolution, its BatchNorm and ReLU."""
    x = conv(x, features, kernel=kernel, use_bias=True, name=name)
    return nn.relu(BatchNorm(statistics, name=f"{name}_norm")(x, train))
