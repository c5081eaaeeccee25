"""LAP's toy: a residual network that moves points of the plane to a frozen classifier.

The head is no parameter: its boundary, y = -x - 20, lies far from the data, so that the
blocks alone have to move one of two classes across it, and can be watched doing so
(arXiv 2009.08372; notes of `least_action`).
"""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.passages import advance, check_flow, enter
from cmd_jax.models.sizes import check_sizes
from cmd_jax.types import Array

HEAD_KERNEL = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)  # [inputs, classes]
HEAD_BIAS = np.array([20.0, 0.0], np.float32)


class PointResNet(nn.Module):
    """Blocks x + h v(x), v = dense-ReLU-dense, on points of the plane; a frozen head.

    Kernels are Kaiming normal (standard deviation sqrt(2 / fan_in)), biases zero: with
    small ones the network does not learn, as a block alone moves nothing that far.

    Attributes:
      num_classes: 2; the head has no other.
      num_blocks: of the flow.
      hidden: width of the layer within each block.
      step: h.

    Raises:
      ValueError: another number of classes, a size below 1 or a step that is not
        positive.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("point_resnet", num_classes=2, num_blocks=3)
      >>> points = jnp.zeros((5, 1, 1, 2))
      >>> params, state = network.init(jax.random.key(0), points)
      >>> logits, _, passages = network.flow(params, state, points)
      >>> logits.shape, len(passages)
      ((5, 2), 3)
    """

    num_classes: int
    num_blocks: int = 9
    hidden: int = 2
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_classes != 2:
            raise ValueError(
                f"num_classes={self.num_classes}; allowed is 2: the head is frozen"
            )
        check_flow(self.num_blocks, self.step)
        check_sizes(hidden=self.hidden)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of points, [batch, 1, 1, 2]."""
        del train  # neither dropout nor BatchNorm
        x = inputs.reshape(inputs.shape[0], -1)
        features = x.shape[-1]
        first = self._layer("in", features, self.hidden)
        second = self._layer("out", self.hidden, features)
        for block in range(self.num_blocks):
            x = enter(self, block, x)
            hidden = nn.relu(_dense(x, first, block))
            x = advance(self, x, _dense(hidden, second, block), step=self.step)
        return jnp.matmul(x, HEAD_KERNEL) + HEAD_BIAS[None]

    def _layer(self, name: str, fan_in: int, features: int) -> tuple[Array, Array]:
        """Kernels and biases of a layer of all blocks, stacked: few leaves are fast."""
        kaiming = nn.initializers.variance_scaling(
            2.0, "fan_in", "normal", batch_axis=(0,)
        )
        kernels = self.param(
            f"{name}_kernels", kaiming, (self.num_blocks, fan_in, features)
        )
        zeros = nn.initializers.zeros
        return kernels, self.param(f"{name}_biases", zeros, (self.num_blocks, features))


def _dense(x: Array, layer: tuple[Array, Array], block: int) -> Array:
    kernels, biases = layer
    return jnp.matmul(x, kernels[block]) + biases[block][None]
