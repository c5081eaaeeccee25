"""ResNeXt50-32x4d for small images, as LAP trains it on CIFAR-100 (arXiv 2306.04252).

Stem conv3-BN-ReLU-conv3-BN-ReLU, stages of 3, 4, 6 and 3 bottleneck blocks with strides
1, 2, 2, 2, mean over the image, one dense layer. A ReLU follows every sum, so a block's
residue is its true displacement; where the shape changes, that from the projection.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.layers import conv, dense
from cmd_jax.models.passages import advance, enter
from cmd_jax.types import Array

_BLOCKS = (3, 4, 6, 3)
_STRIDES = (1, 2, 2, 2)
_EXPANSION = 4  # channels out of a block, over those of its stage


class ResNeXt50(nn.Module):
    """ResNeXt50 with running statistics and Kaiming initialisation (fan out).

    Attributes:
      num_classes: outputs.
      width: channels of the first stage, doubled in each later one; with 64 and 32
        groups the grouped convolution of the first stage has 32 x 4 channels.
      groups: of the 3 x 3 convolutions.
      inner_relu: one more ReLU after a block's third BatchNorm, before the sum, as in
        the code that the published numbers were probably measured with.

    Raises:
      ValueError: sizes below 1, or groups that do not divide twice the width.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("resnext50", num_classes=100)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> params["dense"]["kernel"].shape
      (2048, 100)

    References:
      Xie et al., Aggregated Residual Transformations for Deep Neural Networks, CVPR
      2017.
      Karkar et al., arXiv 2306.04252: 74.38 and, with LAP, 77.20 % on CIFAR-100.
    """

    num_classes: int
    width: int = 64
    groups: int = 32
    inner_relu: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width={self.width}; allowed are even numbers from 2 on")
        if self.groups < 1 or 2 * self.width % self.groups:
            raise ValueError(
                f"groups={self.groups}; allowed are divisors of {2 * self.width}, "
                "twice the width"
            )

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        x = inputs
        for layer, features in enumerate((self.width // 2, self.width)):
            x = _conv_norm(x, features, 3, name=f"stem_{layer}", train=train)
            x = nn.relu(x)
        block = 0
        for stage, (count, stride) in enumerate(zip(_BLOCKS, _STRIDES, strict=True)):
            for place in range(count):
                x = self._block(x, block, stage, stride if place == 0 else 1, train)
                block += 1
        return dense(x.mean(axis=(1, 2)), self.num_classes, name="dense")

    def _block(
        self, x: Array, block: int, stage: int, stride: int, train: bool
    ) -> Array:
        features = self.width * 2**stage
        projected = stride > 1 or x.shape[-1] != _EXPANSION * features
        x = x if projected else enter(self, block, x)
        y = _Bottleneck(
            features, self.groups, stride, self.inner_relu, name=f"block_{block}"
        )(x, train)
        if projected:
            name = f"shortcut_{stage}"
            x = _conv_norm(x, y.shape[-1], 1, stride=stride, name=name, train=train)
        return advance(self, x, nn.relu(x + y) - x)


class _Bottleneck(nn.Module):
    """What a block adds to its shortcut: 1 x 1, grouped 3 x 3, 1 x 1 convolution."""

    features: int
    groups: int
    stride: int
    inner_relu: bool

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        inner = 2 * self.features
        x = nn.relu(_conv_norm(x, inner, 1, name="reduce", train=train))
        x = _conv_norm(
            x,
            inner,
            3,
            stride=self.stride,
            groups=self.groups,
            name="grouped",
            train=train,
        )
        features = _EXPANSION * self.features
        x = _conv_norm(nn.relu(x), features, 1, name="expand", train=train)
        return nn.relu(x) if self.inner_relu else x


def _conv_norm(
    x: Array,
    features: int,
    kernel: int,
    *,
    name: str,
    train: bool,
    stride: int = 1,
    groups: int = 1,
) -> Array:
    """A convolution and its BatchNorm."""
    x = conv(
        x,
        features,
        kernel=kernel,
        stride=stride,
        groups=groups,
        init=nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
        name=name,
    )
    return BatchNorm("running", name=f"{name}_norm")(x, train)
