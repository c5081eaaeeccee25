"""The vision transformer ViT-B/16, as CMD fine-tunes it (P2 Table 1; section 7).

Patches of 16 x 16 pixels become tokens, a class token and learned positions are added,
12 blocks follow, and the normed class token is classified: 85 806 346 trainable
parameters for images of 224 x 224 pixels with 10 classes.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.sizes import check_sizes
from cmd_jax.models.transformer_block import TransformerBlock, layer_norm
from cmd_jax.types import Array

_DTYPES = ("float32", "bfloat16")
_SIZES = ("patch", "hidden", "depth", "heads", "mlp_hidden")


class ViT(nn.Module):
    """A vision transformer; the defaults are ViT-B/16.

    It computes what torchvision's `vit_b_16` computes, and is initialised alike: the
    head is zero. `models.read_vit` gives it pretrained weights.

    Attributes:
      num_classes: outputs.
      patch: height and width of a patch, in pixels.
      hidden: features of a token.
      depth: blocks.
      heads: attention heads of a block.
      mlp_hidden: units within a block's dense layers.
      dtype: what is computed in, `"float32"` or `"bfloat16"`; parameters, the residual
        stream and logits are float32 in any case.
      remat: whether a block is computed again in the backward pass and its maps are not
        kept, which saves memory and costs a forward pass.

    Raises:
      ValueError: a size is smaller than 1, the heads do not divide the features, a
        dtype is not allowed; or, when it is called, patches do not divide an image.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("vit", num_classes=10)
      >>> images = jnp.zeros((1, 224, 224, 3))
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> trees.count(params), state
      (85806346, {})

    References:
      Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021 (arXiv 2010.11929).
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    patch: int = 16
    hidden: int = 768
    depth: int = 12
    heads: int = 12
    mlp_hidden: int = 3072
    dtype: str = "float32"
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(**{name: getattr(self, name) for name in _SIZES})
        if self.hidden % self.heads:
            raise ValueError(
                f"heads={self.heads}; allowed are divisors of hidden={self.hidden}"
            )
        if self.dtype not in _DTYPES:
            allowed = " and ".join(map(repr, _DTYPES))
            raise ValueError(f"dtype={self.dtype!r}; allowed are {allowed}")

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        del train  # neither dropout nor BatchNorm
        block = nn.remat(TransformerBlock) if self.remat else TransformerBlock
        x = self._embed(_patches(inputs, self.patch))
        for index in range(self.depth):
            x = block(self.heads, self.mlp_hidden, self.dtype, name=f"block_{index}")(x)
        token = layer_norm("float32", "norm")(x[:, 0])
        zeros = nn.initializers.zeros
        return nn.Dense(self.num_classes, kernel_init=zeros, name="head")(token)

    def _embed(self, patches: Array) -> Array:
        """Tokens of the patches behind the class token, with their positions."""
        batch, channels = len(patches), patches.shape[-1]
        variance = 1 / (self.patch**2 * channels)
        # The convolution of stride `patch`, as one matrix product.
        project = nn.DenseGeneral(
            self.hidden,
            axis=(-3, -2, -1),
            dtype=self.dtype,
            kernel_init=nn.initializers.normal(variance**0.5),
            name="patches",
        )
        shape = (1, 1, self.hidden)
        token = self.param("token", nn.initializers.zeros, shape)
        tokens = [jnp.broadcast_to(token, (batch, *shape[1:])), project(patches)]
        x = jnp.concatenate(tokens, axis=1)
        init = nn.initializers.normal(0.02)
        return x + self.param("positions", init, (1, *x.shape[1:]))


def _patches(
    images: Float[Array, "batch height width channels"], patch: int
) -> Float[Array, "batch tokens patch patch channels"]:
    """The patches of each image, row by row."""
    batch, height, width, channels = images.shape
    if height % patch or width % patch:
        raise ValueError(
            f"images of {height} x {width} pixels; allowed are multiples of the patch, "
            f"{patch}"
        )
    rows, columns = height // patch, width // patch
    cut = images.reshape(batch, rows, patch, columns, patch, channels)
    return cut.swapaxes(2, 3).reshape(batch, rows * columns, patch, patch, channels)
