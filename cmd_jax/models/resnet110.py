"""ResNet110 for small images, as LAP's authors train it on CIFAR-10 (arXiv 2306.04252).

conv3-BN, three stages of 18 pre-activation blocks with 16, 32 and 64 channels, a 1 x 1
convolution of stride 2 without BatchNorm between them, mean over the image, one dense
layer. All 54 blocks keep the dimension, so all are part of a flow.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.layers import conv
from cmd_jax.models.passages import advance, check_flow, enter
from cmd_jax.models.pre_activation import PreActivationBlock
from cmd_jax.models.sizes import check_sizes
from cmd_jax.types import Array

_GAIN = 0.05
_STAGES = 3


class ResNet110(nn.Module):
    """The pre-activation ResNet of 3 x 18 blocks, running statistics, gain 0.05.

    Attributes:
      num_classes: outputs.
      width: channels of the first stage, doubled in each later one.
      blocks_per_stage: 18 make the 110 layers.
      step: h, what a block's residue is multiplied by.

    Raises:
      ValueError: a size below 1 or a step that is not positive.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("resnet110", num_classes=10, blocks_per_stage=2)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> _, _, passages = jax.eval_shape(network.flow, params, state, images)
      >>> [passage.residue.shape[-1] for passage in passages]
      [16, 16, 32, 32, 64, 64]

    References:
      He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.
      Karkar et al., arXiv 2306.04252: 92.52 and, with LAP, 93.52 % on CIFAR-10.
    """

    num_classes: int
    width: int = 16
    blocks_per_stage: int = 18
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flow(self.blocks_per_stage, self.step)
        check_sizes(width=self.width)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        init = nn.initializers.orthogonal(_GAIN)
        x = conv(inputs, self.width, init=init, name="conv")
        x = BatchNorm("running", name="norm")(x, train)
        for block in range(_STAGES * self.blocks_per_stage):
            stage, place = divmod(block, self.blocks_per_stage)
            if stage > 0 and place == 0:
                features, name = self.width * 2**stage, f"down_{stage}"
                x = conv(x, features, kernel=1, stride=2, init=init, name=name)
            x = enter(self, block, x)
            residue = PreActivationBlock(
                "running", init, first=block == 0, name=f"block_{block}"
            )(x, train)
            x = advance(self, x, residue, step=self.step)
        dense = nn.Dense(self.num_classes, kernel_init=init, name="dense")
        return dense(x.mean(axis=(1, 2)))
