"""LAP's residual network of one representation: one resolution all along.

Encoder, blocks that all keep the dimension, head: the one network that is the Euler
scheme of a flow literally (arXiv 2009.08372). With 32 filters on 28 x 28 images the
flow lives in 14 * 14 * 32 = 6272 dimensions.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.autoencoder import Encoder, encode
from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.passages import Passage, advance, check_flow, enter, tell
from cmd_jax.models.pre_activation import PreActivationBlock
from cmd_jax.types import Array

ENCODERS = ("learned", "autoencoder")
_GAIN = 0.01
_HEAD_WIDTH = 100


class OneRep(nn.Module):
    """Encoder conv3-ReLU-conv5-ReLU, pre-activation blocks, head dense-BN-ReLU-dense.

    The encoder halves the image and is initialised as PyTorch does by default; blocks
    and head are orthogonal with gain 0.01.

    Attributes:
      num_classes: outputs.
      num_blocks: of the flow; the paper's are 9 to 50.
      width: channels of the flow, F; half as many inside the encoder.
      batch_norm: whether blocks and head have BatchNorm, with running statistics.
      step: h, what a block's residue is multiplied by.
      encoder: "learned" with the rest, or "autoencoder": frozen. A frozen one is no
        parameter, and `state["frozen"]["encoder"]` holds it: fill in the parameters
        `["encoder"]` of an `AutoEncoder` of the same width.
      stacked: whether the blocks after the first are one scan over stacked parameters.
        It compiles in a time that does not depend on their number, and is for
        accelerators: on a CPU the gradient of a convolution in a loop is 20 to 53 times
        slower.

    Raises:
      ValueError: a size below 1, an odd width, a step that is not positive or another
        encoder.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import models
      >>> network = models.create("one_rep", num_classes=10)
      >>> images = jnp.zeros((1, 28, 28, 1))
      >>> params, state = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> _, _, passages = jax.eval_shape(network.flow, params, state, images)
      >>> len(passages), passages[0].residue.shape
      (9, (1, 14, 14, 32))

    References:
      Karkar et al., A Principle of Least Action for the Training of Neural Networks,
      ECML-PKDD 2020 (arXiv 2009.08372).
    """

    num_classes: int
    num_blocks: int = 9
    width: int = 32
    batch_norm: bool = True
    step: float = 1.0
    encoder: str = "learned"
    stacked: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flow(self.num_blocks, self.step)
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width={self.width}; allowed are even numbers from 2 on")
        if self.encoder not in ENCODERS:
            raise ValueError(
                f"encoder={self.encoder!r}; allowed are {', '.join(ENCODERS)}"
            )

    @nn.compact
    def __call__(
        self, inputs: Float[Array, "batch height width channels"], train: bool = False
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch of float32 images."""
        x = self._encode(inputs)
        x = self._unrolled(x, 1 if self.stacked else self.num_blocks, train)
        if self.stacked and self.num_blocks > 1:
            x = self._scanned(x, train)
        return self._head(x.reshape(x.shape[0], -1), train)

    def _encode(self, inputs: Array) -> Array:
        if self.encoder == "learned":
            return encode(inputs, self.width)
        encoder = Encoder(self.width, parent=None)
        frozen = self.variable(
            *("frozen", "encoder"),
            lambda: encoder.init(self.make_rng("params"), inputs)["params"],
        )
        return encoder.bind({"params": frozen.value})(inputs)

    def _unrolled(self, x: Array, num_blocks: int, train: bool) -> Array:
        """The data after the first blocks, each a module of its own."""
        for block in range(num_blocks):
            x = enter(self, block, x)
            layers = _block(self._statistics, first=block == 0, name=f"block_{block}")
            residue = layers(x, train)
            x = advance(self, x, residue, step=self.step)
        return x

    def _scanned(self, x: Array, train: bool) -> Array:
        """The data after all blocks but the first, which are alike."""
        scan = nn.scan(
            _EulerStep,
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True},
            in_axes=(0, nn.broadcast),  # pyright: ignore[reportArgumentType]
        )
        zeros, blocks = jnp.zeros_like(x), range(1, self.num_blocks)
        shifts = jnp.stack([enter(self, block, zeros) for block in blocks])
        steps = scan(self._statistics, self.step, name="blocks")
        x, (starts, residues) = steps(x, shifts, train)
        for start, residue in zip(starts, residues, strict=True):
            tell(self, Passage(start, residue, self.step))
        return x

    @property
    def _statistics(self) -> str | None:
        return "running" if self.batch_norm else None

    def _head(self, x: Array, train: bool) -> Array:
        init = nn.initializers.orthogonal(_GAIN)
        x = nn.Dense(_HEAD_WIDTH, kernel_init=init, name="head_0")(x)
        if self._statistics is not None:  # BatchNorm is for maps
            norm = BatchNorm(self._statistics, name="head_norm")
            x = norm(x[:, None, None], train)[:, 0, 0]
        return nn.Dense(self.num_classes, kernel_init=init, name="head_1")(nn.relu(x))


class _EulerStep(nn.Module):
    """x + shift and its residue, as a scan goes over them."""

    statistics: str | None
    step: float

    @nn.compact
    def __call__(
        self, x: Array, shift: Array, train: bool
    ) -> tuple[Array, tuple[Array, Array]]:
        start = x + shift
        residue = _block(self.statistics, first=False, name="block")(start, train)
        return start + self.step * residue, (start, residue)


def _block(statistics: str | None, *, first: bool, name: str) -> PreActivationBlock:
    return PreActivationBlock(
        statistics,
        kernel_init=nn.initializers.orthogonal(_GAIN),
        use_bias=statistics is None,
        first=first,
        name=name,
    )
