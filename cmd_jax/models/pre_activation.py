"""The pre-activation block, the residue BN-ReLU-conv-BN-ReLU-conv.

Without BatchNorm it is ReLU-conv-ReLU-conv. Convolutions are 3 x 3. LAP's networks have
orthogonal kernels, scaled by a small gain, so that they begin near the identity.
"""

from flax import linen as nn
from jax.nn.initializers import Initializer

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.layers import conv
from cmd_jax.types import Array


class PreActivationBlock(nn.Module):
    """The residue v(x) of one block.

    Attributes:
      statistics: BatchNorm's, see `BatchNorm`; None leaves it out.
      kernel_init: of the kernels; None is PyTorch's, of biases too.
      use_bias: whether the convolutions have biases.
      features: channels of both convolutions; None for as many as come in.
      strides: of the two convolutions.
      dropout: the probability that an activation between them is dropped in training.
      first: leaves out what comes before the first convolution: the encoder or the stem
        has done it.

    References:
      He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.
      Karkar et al., A Principle of Least Action for the Training of Neural Networks,
      ECML-PKDD 2020 (arXiv 2009.08372).
    """

    statistics: str | None
    kernel_init: Initializer | None = None
    use_bias: bool = False
    features: int | None = None
    strides: tuple[int, int] = (1, 1)
    dropout: float = 0.0
    first: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """The residue of a batch of maps."""
        features = self.features or x.shape[-1]
        for layer, stride in enumerate(self.strides):
            if not (self.first and layer == 0):
                if self.statistics is not None:
                    norm = BatchNorm(self.statistics, name=f"norm_{layer}")
                    x = norm(x, train)
                x = nn.relu(x)
            x = conv(
                x,
                features,
                stride=stride,
                use_bias=self.use_bias,
                init=self.kernel_init,
                name=f"conv_{layer}",
            )
            if layer == 0:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return x
