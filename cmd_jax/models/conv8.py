"""Conv8, the plain convolutional network of learning transfer (arXiv 2305.14122, §4).

Eight 3 x 3 convolutions in four pairs of 64, 128, 256, 512 channels, max-pooling after
each pair (2 x 2 three times, then 4 x 4), then dense layers 512 -> 256 -> 256 ->
classes: 4 885 066 parameters on 32 x 32 x 3 images and 10 classes.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.pooling import max_pool
from cmd_jax.models.sizes import check_images, check_sizes
from cmd_jax.types import Array

_POOLED = (2, 2, 2, 4)  # after each pair of convolutions
_SMALLEST_IMAGE = 32  # which they reduce to one place


class Conv8(nn.Module):
    """Eight convolutions and three dense layers, ReLU after all but the last.

    Convolutions are padded by one and all layers have biases, initialised as PyTorch
    does by default.

    Attributes:
      num_classes: outputs.
      width: channels of the first pair, doubled in each later one; the paper's is 64.
      init_scale: a factor on the initial weights.

    Raises:
      ValueError: `width` is smaller than 1, `init_scale` is not positive, or the images
        are smaller than 32 x 32.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("conv8", num_classes=10)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params)
      4885066

    References:
      Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
      2305.14122), section 4.
    """

    num_classes: int
    width: int = 64
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(width=self.width)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        del train  # neither dropout nor BatchNorm
        check_images(inputs, smallest=_SMALLEST_IMAGE, network="Conv8")
        x = inputs
        for pair, size in enumerate(_POOLED):
            for layer in (2 * pair, 2 * pair + 1):
                x = nn.relu(self._conv(self.width * 2**pair, f"conv_{layer}", x))
            x = max_pool(x, size=size)
        x = x.reshape(x.shape[0], -1)
        for layer in range(2):
            x = nn.relu(self._dense(4 * self.width, f"dense_{layer}", x))
        return self._dense(self.num_classes, "dense_2", x)

    def _conv(self, features: int, name: str, x: Array) -> Array:
        init = fan_in_uniform(3 * 3 * x.shape[-1], self.init_scale)
        layer = nn.Conv(
            features, (3, 3), padding=1, kernel_init=init, bias_init=init, name=name
        )
        return layer(x)

    def _dense(self, features: int, name: str, x: Array) -> Array:
        init = fan_in_uniform(x.shape[-1], self.init_scale)
        return nn.Dense(features, kernel_init=init, bias_init=init, name=name)(x)
