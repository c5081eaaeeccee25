"""The encoder of LAP's network of one representation, and an auto-encoder to train it.

The encoder can be learned with the rest of a network, or taken from an auto-encoder
that has seen no labels (arXiv 2009.08372, section 4). The decoder, which the paper does
not tell of, mirrors the encoder.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.layers import conv
from cmd_jax.types import Array


def encode(
    inputs: Float[Array, "batch height width channels"], features: int
) -> Float[Array, "batch rows columns features"]:
    """conv3-ReLU-conv5 of stride 2-ReLU, layers of the module that calls this.

    Args:
      inputs: float32 images.
      features: channels of the code, F; half as many in between.
    """
    x = nn.relu(conv(inputs, features // 2, use_bias=True, name="encoder_0"))
    x = conv(x, features, kernel=5, stride=2, use_bias=True, name="encoder_1")
    return nn.relu(x)


class Encoder(nn.Module):
    """The encoder alone: `encode` as a module.

    Attributes:
      width: channels of the code, F.
    """

    width: int

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch rows columns features"]:
        """The code of a batch of float32 images."""
        return encode(inputs, self.width)


class AutoEncoder(nn.Module):
    """The encoder, and a decoder convT5 of stride 2-ReLU-conv3 back to the images.

    Layers are initialised as PyTorch does by default. As a `Network` it gives
    reconstructions where others give logits; `params["encoder"]` are those of the
    encoder.

    Attributes:
      width: channels of the code, F; an even number.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> module = models.AutoEncoder(width=4)
      >>> network = models.from_linen(module, convolutional=True)
      >>> images = jnp.zeros((2, 8, 8, 1))
      >>> params, state = network.init(jax.random.key(0), images)
      >>> sorted(params["encoder"])
      ['encoder_0', 'encoder_1']
      >>> network.apply(params, state, images)[0].shape
      (2, 8, 8, 1)

    References:
      Karkar et al., A Principle of Least Action for the Training of Neural Networks,
      ECML-PKDD 2020 (arXiv 2009.08372).
    """

    width: int = 32

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch height width channels"]:
        """Reconstructions of a batch of float32 images."""
        del train  # neither dropout nor BatchNorm
        _, height, width, channels = inputs.shape
        code = Encoder(self.width, name="encoder")(inputs)
        init = fan_in_uniform(25 * self.width // 4)  # of stride 2: a quarter of 5 x 5
        decode = nn.ConvTranspose(
            self.width // 2,
            (5, 5),
            strides=(2, 2),
            kernel_init=init,
            bias_init=init,
            name="decoder_0",
        )
        x = nn.relu(decode(code)[:, :height, :width])  # an odd side had been rounded up
        return conv(x, channels, use_bias=True, name="decoder_1")
