"""A decoder transformer: what follows each token of a text, told from those up to it.

Pre-LN blocks on learned positions, as GPT-2 has them. The first paper on CMD names a
transformer among its networks; this one is not that, but one that a CPU trains.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Integer

from cmd_jax.models.sizes import check_sizes
from cmd_jax.models.transformer_block import TransformerBlock, layer_norm
from cmd_jax.types import Array


class Decoder(nn.Module):
    """A causal transformer over tokens, without dropout.

    With V classes, T tokens of context and d features it has (2 V + T) d + V numbers
    in embedding, positions and head, 12 d² + 13 d in each block, and 2 d in the last
    norm.

    Attributes:
      num_classes: tokens that differ.
      hidden: features of a token; 4 times as many units lie within a block's dense
        layers.
      depth: blocks.
      heads: attention heads of a block.
      context: the longest sequence.

    Raises:
      ValueError: a size is smaller than 1, the heads do not divide the features, or,
        when it is called, a sequence is longer than the context.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models, trees
      >>> network = models.create("decoder", num_classes=65)
      >>> tokens = jnp.zeros((1, 64), jnp.uint8)
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), tokens)
      >>> trees.count(params), state
      (162561, {})

    References:
      Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
      Turjeman et al., The Underlying Correlated Dynamics in Neural Training, 2022
      (arXiv 2212.09040).
    """

    num_classes: int
    hidden: int = 64
    depth: int = 3
    heads: int = 4
    context: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = ("hidden", "depth", "heads", "context")
        check_sizes(**{name: getattr(self, name) for name in sizes})
        if self.hidden % self.heads:
            raise ValueError(
                f"heads={self.heads}; allowed are divisors of hidden={self.hidden}"
            )

    @nn.compact
    def __call__(
        self, inputs: Integer[Array, "batch tokens"], train: bool = False
    ) -> Float[Array, "batch tokens classes"]:
        """Logits of the token behind each token of a batch."""
        del train  # neither dropout nor BatchNorm
        length = inputs.shape[1]
        if length > self.context:
            raise ValueError(
                f"sequences of {length} tokens; allowed are at most "
                f"context={self.context}"
            )
        normal = nn.initializers.normal(0.02)
        embed = nn.Embed(
            self.num_classes, self.hidden, embedding_init=normal, name="embed"
        )
        shape = (1, self.context, self.hidden)
        x = embed(inputs) + self.param("positions", normal, shape)[:, :length]
        past = jnp.tril(jnp.ones((1, 1, length, length), bool))
        for index in range(self.depth):
            block = TransformerBlock(self.heads, 4 * self.hidden, name=f"block_{index}")
            x = block(x, mask=past)
        x = layer_norm("float32", "norm")(x)
        return nn.Dense(self.num_classes, kernel_init=normal, name="head")(x)
