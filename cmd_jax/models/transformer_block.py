"""The pre-LN transformer block: x + attention(LN(x)), then x + mlp(LN(x)).

As torchvision's vision transformer computes it, and initialises it: LayerNorm with
epsilon 1e-6, the exact GELU, biases throughout, no dropout.
"""

from flax import linen as nn
from jaxtyping import Bool, Float

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.types import Array


class TransformerBlock(nn.Module):
    """Self-attention and a dense layer pair, each beside the residual stream.

    Attributes:
      num_heads: attention heads; the features are shared out among them.
      mlp_hidden: units between the two dense layers.
      dtype: what is computed in; parameters, softmax and the stream stay float32.

    References:
      Vaswani et al., Attention Is All You Need, NeurIPS 2017.
      Xiong et al., On Layer Normalization in the Transformer Architecture, ICML 2020:
      the norm before, not after.
    """

    num_heads: int
    mlp_hidden: int
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch tokens features"],
        mask: Bool[Array, "#batch #num_heads tokens tokens"] | None = None,
    ) -> Float[Array, "batch tokens features"]:
        """The stream after the block; a token attends where `mask` is true."""
        features = x.shape[-1]
        attention = nn.MultiHeadDotProductAttention(
            self.num_heads,
            dtype=self.dtype,
            # Xavier's bound for the three kernels side by side: sqrt(6 / (4 features)).
            kernel_init=nn.initializers.variance_scaling(0.5, "fan_in", "uniform"),
            out_kernel_init=fan_in_uniform(features),
            force_fp32_for_softmax=True,
            name="attention",
        )
        x = x + attention(layer_norm(self.dtype, "norm_0")(x), mask=mask)
        # As rows of one matrix: XLA's CPU gradient of a kernel is three times as fast.
        y = layer_norm(self.dtype, "norm_1")(x).reshape(-1, features)
        y = nn.gelu(self._dense(self.mlp_hidden, "dense_0")(y), approximate=False)
        return x + self._dense(features, "dense_1")(y).reshape(x.shape)

    def _dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(
            features,
            dtype=self.dtype,
            kernel_init=nn.initializers.xavier_uniform(),
            bias_init=nn.initializers.normal(1e-6),
            name=name,
        )


def layer_norm(dtype: str, name: str) -> nn.LayerNorm:
    """LayerNorm over the features, its variance in two passes as PyTorch's."""
    return nn.LayerNorm(epsilon=1e-6, dtype=dtype, use_fast_variance=False, name=name)
