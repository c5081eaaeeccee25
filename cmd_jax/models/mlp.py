"""Multilayer perceptrons on images: the smallest networks of this library."""

from collections.abc import Sequence

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.types import Array


class MLP(nn.Module):
    """Dense layers with ReLU between them, on the flattened image.

    Initialised as PyTorch does by default (`fan_in_uniform`), like every network that
    the CMD paper trains.

    Attributes:
      num_classes: outputs.
      hidden: width of each hidden layer; none makes it a linear classifier.
      use_bias: whether the layers have biases.
      init_scale: a factor on the initial weights.

    Raises:
      ValueError: a width is smaller than 1, or `init_scale` is not positive.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax.models import MLP
      >>> mlp = MLP(num_classes=10, hidden=(64, 32))
      >>> images = jnp.zeros((1, 8, 8, 1))
      >>> shapes = jax.eval_shape(mlp.init, jax.random.key(0), images)
      >>> shapes["params"]["dense_1"]["kernel"].shape
      (64, 32)
    """

    num_classes: int
    hidden: Sequence[int] = (128, 128)
    use_bias: bool = True
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(type(width) is int and width >= 1 for width in self.hidden):
            raise ValueError(
                f"hidden={self.hidden!r}; allowed are whole widths of at least 1"
            )

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        del train  # neither dropout nor BatchNorm
        x = inputs.reshape(inputs.shape[0], -1)
        for layer, width in enumerate((*self.hidden, self.num_classes)):
            x = nn.relu(x) if layer else x
            init = fan_in_uniform(x.shape[-1], self.init_scale)
            x = nn.Dense(
                width,
                use_bias=self.use_bias,
                kernel_init=init,
                bias_init=init,
                name=f"dense_{layer}",
            )(x)
        return x
