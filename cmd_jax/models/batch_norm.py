"""Batch normalisation, with the batch's own statistics or with running ones.

y = (x - mean) / sqrt(var + 1e-5) * scale + bias, channel by channel. Statistics are
float32 whatever the dtype of the network. Sums are products with ones, also in the
backward pass, which is written out for that: XLA's CPU compiler makes them several
times faster than sums over the leading axes (ResNet18: a fifth of the whole step).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from cmd_jax.types import Array, ArrayLike

_STATISTICS = ("batch", "running")
_EPSILON = 1e-5

Maps = Float[Array, "batch height width channels"]
Channels = Float[Array, "1 1 1 channels"]


class BatchNorm(nn.Module):
    """Normalises each channel of a batch of feature maps.

    With `"batch"` statistics the layer has no state: tested networks, too, see the mean
    and variance of the batch that they are given, so that an accuracy depends on how
    the test set is cut (P2's ResNet18). With `"running"` ones training uses the batch's
    own and keeps s <- m s + (1 - m) s_batch (the biased variance, as Flax) in the
    collection "batch_stats", which is what is used outside training.

    Attributes:
      statistics: `"batch"` or `"running"`.
      dtype: of the outputs.
      momentum: m, what a step keeps of the running statistics; PyTorch's is 1 - m.

    Raises:
      ValueError: `statistics` is something else, or `momentum` is not in [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax.models import BatchNorm
      >>> layer, maps = BatchNorm("running"), jnp.zeros((8, 4, 4, 3))
      >>> variables = layer.init(jax.random.key(0), maps, train=False)
      >>> sorted(variables["batch_stats"])
      ['mean', 'var']

    References:
      Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by
      Reducing Internal Covariate Shift, ICML 2015.
    """

    statistics: str
    dtype: str = "float32"
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_statistics(self.statistics)
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum={self.momentum}; allowed is 0 to 1")

    @nn.compact
    def __call__(self, inputs: Maps, train: bool) -> Maps:
        """The normalised maps."""
        shape = inputs.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        scale, bias = _as_maps(scale), _as_maps(bias)
        x = inputs.astype(jnp.float32)
        if self.statistics == "batch":
            y, _, _ = _normalize(x, scale, bias)
            return y.astype(self.dtype)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        if train:
            y, *found = _normalize(x, scale, bias)
            for running, now in zip((mean, var), found, strict=True):
                now = jax.lax.stop_gradient(now.reshape(shape))
                kept = self.momentum * running.value
                running.value = kept + (1 - self.momentum) * now
        else:
            inverse = jax.lax.rsqrt(_as_maps(var.value) + _EPSILON)
            y = (x - _as_maps(mean.value)) * (scale * inverse) + bias
        return y.astype(self.dtype)


def check_statistics(statistics: str) -> None:
    """Refuses statistics that BatchNorm does not know.

    Raises:
      ValueError: names them and what is allowed.
    """
    if statistics not in _STATISTICS:
        raise ValueError(
            f"statistics={statistics!r}; allowed are 'batch' and 'running'"
        )


def _as_maps(channels: ArrayLike) -> Channels:
    return jnp.asarray(channels).reshape(1, 1, 1, -1)


@jax.custom_vjp
def _normalize(
    x: Maps, scale: Channels, bias: Channels
) -> tuple[Maps, Channels, Channels]:
    """Normalised maps, and the mean and variance of each channel.

    The derivative is that of the maps: mean and variance are outputs to be kept, not to
    be differentiated.
    """
    return _normalize_forward(x, scale, bias)[0]


def _normalize_forward(x: Maps, scale: Channels, bias: Channels) -> tuple:
    mean = _channel_mean(x)
    var = _channel_mean(jnp.square(x - mean))
    inverse = jax.lax.rsqrt(var + _EPSILON)
    y = (x - mean) * (scale * inverse) + bias
    return (y, mean, var), (x, mean, inverse, scale)


def _normalize_backward(kept: tuple, cotangents: tuple) -> tuple:
    x, mean, inverse, scale = kept
    dy = cotangents[0]
    count = x.size // x.shape[-1]
    z = (x - mean) * inverse
    bias_mean, scale_mean = _channel_mean(dy), _channel_mean(dy * z)
    dx = (scale * inverse) * (dy - bias_mean - z * scale_mean)
    return dx, count * scale_mean, count * bias_mean


_normalize.defvjp(_normalize_forward, _normalize_backward)


def _channel_mean(x: Maps) -> Channels:
    """The mean of each channel: over each image by a product with ones, then over them.

    As precise as a pairwise sum; one product over all the pixels of a batch is not.
    """
    images = x.reshape(len(x), -1, x.shape[-1])
    ones = jnp.ones((len(x), 1, images.shape[1]), x.dtype)
    means = jnp.matmul(ones, images, precision="highest") / images.shape[1]
    return means.mean(axis=0).reshape(1, 1, 1, -1)
