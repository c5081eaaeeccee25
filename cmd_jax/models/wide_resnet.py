"""WideResNet for small images, as CMD trains it on CIFAR-10 (P2 Table 1; section 7).

A 3 x 3 stem, three stages of pre-activation blocks with 16, 32 and 64 times `width`
channels, the last two halving the image, BN-ReLU, mean over the image, one dense layer:
36 489 290 trainable parameters with depth 28, width 10 and 10 classes.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm, check_statistics
from cmd_jax.models.layers import conv, dense
from cmd_jax.models.pre_activation import PreActivationBlock
from cmd_jax.models.sizes import check_sizes
from cmd_jax.types import Array

_STEM = 16
_STAGES = 3
_LAST_MOMENTUM = 0.1  # of the last BatchNorm: 0.9 in the PyTorch of the release


class WideResNet(nn.Module):
    """WideResNet with dropout; its convolutions have biases.

    A block strides in its second 3 x 3 convolution. Where it changes the shape, a 1 x 1
    convolution of what comes in, before BatchNorm, is the shortcut.

    Attributes:
      num_classes: outputs.
      depth: 6 n + 4 with n blocks a stage; the paper's is 28.
      width: k, the factor on the channels; the paper's is 10.
      dropout: the probability that an activation between the two convolutions of a
        block is dropped in training.
      statistics: BatchNorm's, see `BatchNorm`; the paper's are `"running"`.

    Raises:
      ValueError: a depth, width or dropout that is not allowed, or unknown statistics.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("wide_resnet", num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params)
      36489290

    References:
      Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016.
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    depth: int = 28
    width: int = 10
    dropout: float = 0.3
    statistics: str = "running"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 10 or self.depth % 6 != 4:
            raise ValueError(f"depth={self.depth}; allowed are 10, 16, 22, 28, ...")
        check_sizes(width=self.width)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}; allowed is 0 to 1, without 1")
        check_statistics(self.statistics)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        x = conv(inputs, _STEM, use_bias=True, name="conv")
        blocks_per_stage = (self.depth - 4) // 6
        for block in range(_STAGES * blocks_per_stage):
            stage, place = divmod(block, blocks_per_stage)
            features = _STEM * self.width * 2**stage
            stride = 2 if stage > 0 and place == 0 else 1
            residue = PreActivationBlock(
                self.statistics,
                use_bias=True,
                features=features,
                strides=(1, stride),
                dropout=self.dropout,
                name=f"block_{block}",
            )(x, train)
            if x.shape != residue.shape:
                name = f"shortcut_{stage}"
                x = conv(x, features, kernel=1, stride=stride, use_bias=True, name=name)
            x = x + residue
        norm = BatchNorm(self.statistics, momentum=_LAST_MOMENTUM, name="norm")
        x = nn.relu(norm(x, train))
        return dense(x.mean(axis=(1, 2)), self.num_classes, name="dense")
