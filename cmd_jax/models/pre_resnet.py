"""PreResNet-164 for small images, as CMD trains it on CIFAR-10 (P2 Table 1; section 7).

A 3 x 3 stem, three stages of 27 pre-activation blocks with 16, 32 and 64 channels, the
last two halving the image, BN-ReLU, mean over the image, one dense layer: 2 605 466
trainable parameters with 10 classes. The paper's release builds it of two 3 x 3
convolutions a block, and not of the three of a bottleneck that the 164 is meant for.
"""

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.batch_norm import BatchNorm, check_statistics
from cmd_jax.models.layers import conv, dense
from cmd_jax.models.pre_activation import PreActivationBlock
from cmd_jax.models.sizes import check_sizes
from cmd_jax.types import Array

_STAGES = 3


class PreResNet(nn.Module):
    """The pre-activation ResNet with kernels from N(0, 2 / (window * channels out)).

    Convolutions have no bias. Where a block changes the shape, a 1 x 1 convolution of
    what comes in, before BatchNorm, is the shortcut.

    Attributes:
      num_classes: outputs.
      width: channels of the first stage, doubled in each later one; the paper's is 16.
      blocks_per_stage: the paper's are 27.
      statistics: BatchNorm's, see `BatchNorm`; the paper's are `"running"`.

    Raises:
      ValueError: a size below 1, or unknown statistics.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("pre_resnet", num_classes=10, blocks_per_stage=1)
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params, _ = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> params["block_2"]["conv_1"]["kernel"].shape
      (3, 3, 64, 64)

    References:
      He et al., Identity Mappings in Deep Residual Networks, ECCV 2016.
      Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
      2024 (arXiv 2312.13247), Table 1.
    """

    num_classes: int
    width: int = 16
    blocks_per_stage: int = 27
    statistics: str = "running"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(width=self.width, blocks_per_stage=self.blocks_per_stage)
        check_statistics(self.statistics)

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
        x = conv(inputs, self.width, init=init, name="conv")
        for block in range(_STAGES * self.blocks_per_stage):
            stage, place = divmod(block, self.blocks_per_stage)
            features = self.width * 2**stage
            stride = 2 if stage > 0 and place == 0 else 1
            residue = PreActivationBlock(
                self.statistics,
                init,
                features=features,
                strides=(stride, 1),
                name=f"block_{block}",
            )(x, train)
            if x.shape != residue.shape:
                name = f"shortcut_{stage}"
                x = conv(x, features, kernel=1, stride=stride, init=init, name=name)
            x = x + residue
        x = nn.relu(BatchNorm(self.statistics, name="norm")(x, train))
        return dense(x.mean(axis=(1, 2)), self.num_classes, name="dense")
