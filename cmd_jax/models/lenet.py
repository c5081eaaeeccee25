"""LeNet-5 of triple width, as CMD trains it on CIFAR-10 (P2 Table 1; section 7).

conv5 3->18, tanh, max-pool 2, conv5 18->48, tanh, max-pool 2, then dense 1200->360->252
->10 with tanh between: 548 878 parameters on 32 x 32 x 3 images and 10 classes. The
convolutions are unpadded, so 48 maps of 5 x 5 reach the dense layers.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.layers import dense
from cmd_jax.models.pooling import max_pool
from cmd_jax.models.sizes import check_images, check_sizes
from cmd_jax.types import Array

_SMALLEST_IMAGE = 16  # what two unpadded 5 x 5 convolutions and poolings reduce to 1


class LeNet5(nn.Module):
    """LeNet-5 with tanh and max-pooling, `width` times as wide as the classical one.

    Attributes:
      num_classes: outputs.
      width: multiplier of the classical widths 6, 16, 120, 84; the paper's is 3.

    Raises:
      ValueError: `width` is smaller than 1, or the images are smaller than 16 x 16.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("lenet5", num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params)
      548878

    References:
      LeCun et al., Gradient-based learning applied to document recognition, 1998.
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    width: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(width=self.width)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        del train  # neither dropout nor BatchNorm
        check_images(inputs, smallest=_SMALLEST_IMAGE, network="LeNet-5")
        x = max_pool(nn.tanh(_conv(6 * self.width, "conv_0", inputs)))
        x = max_pool(nn.tanh(_conv(16 * self.width, "conv_1", x)))
        x = x.reshape(x.shape[0], -1)
        x = nn.tanh(dense(x, 120 * self.width, name="dense_0"))
        x = nn.tanh(dense(x, 84 * self.width, name="dense_1"))
        return dense(x, self.num_classes, name="dense_2")


def _conv(features: int, name: str, x: Array) -> Array:
    init = fan_in_uniform(5 * 5 * x.shape[-1])
    layer = nn.Conv(
        features, (5, 5), padding="VALID", kernel_init=init, bias_init=init, name=name
    )
    return layer(x)
