"""The pre-activation block of LAP's networks, the residue BN-ReLU-conv-BN-ReLU-conv.

Without BatchNorm it is ReLU-conv-ReLU-conv, with biases. Convolutions are 3 x 3 and
keep the shape; kernels are orthogonal, scaled by a small gain, so that a network begins
near the identity.
"""

from typing import Any

from flax import linen as nn

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.types import Array


class PreActivationBlock(nn.Module):
    """The residue v(x) of one block.

    Attributes:
      gain: of the orthogonal kernels.
      statistics: BatchNorm's, see `BatchNorm`; None leaves it out.
      first: leaves out what comes before the first convolution: the encoder or the stem
        has done it.

    References:
      He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.
      Karkar et al., A Principle of Least Action for the Training of Neural Networks,
      ECML-PKDD 2020 (arXiv 2009.08372).
    """

    gain: float
    statistics: str | None
    first: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """The residue of a batch of maps."""
        features = x.shape[-1]
        for layer in range(2):
            if not (self.first and layer == 0):
                if self.statistics is not None:
                    norm = BatchNorm(self.statistics, name=f"norm_{layer}")
                    x = norm(x, train)
                x = nn.relu(x)
            x = orthogonal_conv(
                features,
                gain=self.gain,
                use_bias=self.statistics is None,
                name=f"conv_{layer}",
            )(x)
        return x


def orthogonal_conv(
    features: int,
    *,
    gain: float,
    use_bias: bool,
    kernel: int = 3,
    stride: int = 1,
    name: str | None = None,
) -> nn.Conv:
    """A convolution with an orthogonal kernel, padded alike on all sides."""
    init: Any = nn.initializers.orthogonal(gain)
    return nn.Conv(
        features,
        (kernel, kernel),
        strides=stride,
        padding=kernel // 2,
        use_bias=use_bias,
        kernel_init=init,
        name=name,
    )
