"""Networks of every kind, each with the list of its permutation groups by hand.

A group is written as what moves together: "dense/kernel 1" is axis 1 of that array,
"dense/kernel 0 as 25 x [16]" an axis that holds 16 units in 25 places. Collections that
begin with "params/" leave that out.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn


class Network(NamedTuple):
    """A function, what goes in, and the groups of its variables."""

    apply: Callable[..., jax.Array]
    variables: Any  # shapes
    inputs: jax.ShapeDtypeStruct
    groups: list[list[str]]


def shape(*sizes: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, dtype)


def linen(
    module: nn.Module, inputs: jax.ShapeDtypeStruct, groups: list[list[str]]
) -> Network:
    variables = jax.eval_shape(module.init, jax.random.key(0), inputs)
    return Network(module.apply, variables, inputs, groups)


def dense(before: str, after: str, *within: str, flattened: str = "") -> list[str]:
    """The group of the units between two layers."""
    out = 3 if before.startswith("conv") else 1
    into = 2 if after.startswith("conv") else 0
    return [
        f"{before}/bias 0",
        f"{before}/kernel {out}",
        f"{after}/kernel {into}{flattened}",
        *within,
    ]


def norm(name: str) -> list[str]:
    """What BatchNorm with running statistics keeps of each channel."""
    statistics = (f"batch_stats/{name}/mean 0", f"batch_stats/{name}/var 0")
    return [f"{name}/bias 0", f"{name}/scale 0", *statistics]


class Grouped(nn.Module):
    """Depthwise and grouped convolutions, BatchNorm and GroupNorm, squeeze-excite."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (1, 1), name="conv")(x)
        x = nn.relu(nn.BatchNorm(True, name="norm")(x))
        x = nn.Conv(8, (3, 3), feature_group_count=4, name="depthwise")(x)
        x = nn.Conv(12, (1, 1), name="pointwise")(x)
        x = nn.silu(nn.GroupNorm(4, name="group_norm")(x))
        squeezed = nn.relu(nn.Dense(3, name="squeeze")(x.mean(axis=(1, 2))))
        x = x * nn.sigmoid(nn.Dense(12, name="excite")(squeezed))[:, None, None]
        x = nn.Conv(4, (3, 3), feature_group_count=2, name="grouped")(x)
        x = nn.avg_pool(nn.relu(x), (2, 2), (2, 2)).reshape(len(x), -1)
        return nn.Dense(3, name="dense")(x)


def grouped() -> Network:
    """Channels in 4 groups of 3 for the norm, 2 of 6 for the convolution: 2 x 2 x 3."""
    channels = ["pointwise/bias 0", "pointwise/kernel 3", "group_norm/bias 0"]
    channels += ["group_norm/scale 0", "squeeze/kernel 0"]
    channels += ["excite/bias 0", "excite/kernel 1"]
    outer = [f"{axis} as [2] x 6" for axis in channels]
    return linen(
        Grouped(),
        shape(2, 4, 4, 2),
        [
            # The depthwise kernel gives each channel two.
            [
                *("conv/bias 0", "conv/kernel 3", *norm("norm")),
                *(f"depthwise/{x} as [4] x 2" for x in ("bias 0", "kernel 3")),
                "pointwise/kernel 2 as [4] x 2",
            ],
            [
                *(f"depthwise/{x} as 4 x [2]" for x in ("bias 0", "kernel 3")),
                "pointwise/kernel 2 as 4 x [2]",
            ],
            [
                *outer,
                *(f"grouped/{axis} as [2] x 2" for axis in ("bias 0", "kernel 3")),
                "dense/kernel 0 as 4 x [2] x 2",
            ],
            [
                *(f"{axis} as 2 x [2] x 3" for axis in channels),
                "grouped/kernel 2 as [2] x 3",
            ],
            [
                *(f"{axis} as 4 x [3]" for axis in channels),
                "grouped/kernel 2 as 2 x [3]",
            ],
            [
                *(f"grouped/{axis} as 2 x [2]" for axis in ("bias 0", "kernel 3")),
                "dense/kernel 0 as 8 x [2]",
            ],
            dense("squeeze", "excite"),
        ],
    )


class Joined(nn.Module):
    """Concatenated skip connections, flattened, beside a dense path."""

    @nn.compact
    def __call__(self, x):
        a = nn.relu(nn.Conv(2, (3, 3), name="conv_0")(x))
        b = nn.relu(nn.Conv(3, (3, 3), name="conv_1")(a))
        maps = jnp.concatenate([a, b], axis=-1)
        c = nn.relu(nn.Conv(4, (3, 3), name="conv_2")(maps))
        side = nn.relu(nn.Dense(2, name="side")(x.mean(axis=(1, 2))))
        maps = nn.max_pool(jnp.concatenate([maps, c], axis=-1), (2, 2), (2, 2))
        return nn.Dense(3, name="dense")(
            jnp.concatenate([maps.reshape(len(x), -1), side], axis=-1)
        )


def joined() -> Network:
    out = "dense/kernel 0 as 4 x [{}] from {}".format
    return linen(
        Joined(),
        shape(2, 4, 4, 2),
        [
            [
                *dense("conv_0", "conv_1"),
                "conv_2/kernel 2 from 0",
                out(2, 0),
            ],
            ["conv_1/bias 0", "conv_1/kernel 3", "conv_2/kernel 2 from 2", out(3, 2)],
            ["conv_2/bias 0", "conv_2/kernel 3", out(4, 5)],
            ["side/bias 0", "side/kernel 1", "dense/kernel 0 from 36"],
        ],
    )


class Padded(nn.Module):
    """A shortcut that halves the image and fills new channels with zeros."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(2, (3, 3), name="conv_0")(x))
        y = nn.Conv(6, (3, 3), strides=2, name="conv_1")(x)
        shortcut = jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (1, 3)))
        return nn.Dense(3, name="dense")(nn.relu(shortcut + y).mean(axis=(1, 2)))


def padded() -> Network:
    def channels(start: str) -> list[str]:
        return [f"{axis}{start}" for axis in dense("conv_1", "dense")]

    return linen(
        Padded(),
        shape(2, 4, 4, 1),
        [[*dense("conv_0", "conv_1"), *channels(" from 1")], channels(" from 3")],
    )


class Transformer(nn.Module):
    """A class token, learned positions and a pre-LN block: a small ViT."""

    depth: int = 1
    width: int = 6
    num_heads: int = 2
    patch: int = 2

    @nn.compact
    def __call__(self, x):
        window = (self.patch, self.patch)
        x = nn.Conv(self.width, window, strides=self.patch, name="patches")(x)
        x = x.reshape(len(x), -1, self.width)
        zeros = nn.initializers.zeros
        token = self.param("token", zeros, (1, 1, self.width))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, self.width)), x], 1)
        x = x + self.param("positions", zeros, (1, *x.shape[1:]))
        for block in range(self.depth):
            x = Block(self.num_heads, name=f"block_{block}")(x)
        return nn.Dense(3, name="dense")(nn.LayerNorm(name="norm")(x)[:, 0])


class Block(nn.Module):
    num_heads: int

    @nn.compact
    def __call__(self, x):
        width = x.shape[-1]
        attention = nn.MultiHeadDotProductAttention(self.num_heads, name="attention")
        x = x + attention(nn.LayerNorm(name="norm_0")(x))
        y = nn.Dense(4 * width, name="dense_0")(nn.LayerNorm(name="norm_1")(x))
        return x + nn.Dense(width, name="dense_1")(nn.gelu(y))


def transformer() -> Network:
    """The stream, the hidden units, the heads, and what is within heads, twice."""
    maps, block = ("query", "key", "value"), "block_0/attention"
    norms = ("norm", "block_0/norm_0", "block_0/norm_1")
    stream = ["token 2", "positions 2", "patches/bias 0", "patches/kernel 3"]
    stream += [f"{name}/{x} 0" for name in norms for x in ("scale", "bias")]
    stream += [f"{block}/{name}/kernel 0" for name in maps]
    stream += [f"{block}/out/bias 0", f"{block}/out/kernel 2", "dense/kernel 0"]
    stream += ["block_0/dense_0/kernel 0", "block_0/dense_1/bias 0"]
    stream += ["block_0/dense_1/kernel 1"]

    def features(*names: str, axis: int) -> list[str]:
        arrays = [(f"{block}/{name}", axis) for name in names]
        return [
            f"{x}/{y} {a + (y == 'kernel')}"
            for x, a in arrays
            for y in ("bias", "kernel")
        ]

    return linen(
        Transformer(),
        shape(2, 4, 4, 1),
        [
            stream,
            dense("block_0/dense_0", "block_0/dense_1"),
            [*features(*maps, axis=0), f"{block}/out/kernel 0"],
            features("query", "key", axis=1),
            [*features("value", axis=1), f"{block}/out/kernel 1"],
        ],
    )


class FusedAttention(nn.Module):
    """Embedded tokens and one projection for queries, keys and values."""

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(7, 4, name="embed")(tokens)
        parts = jnp.split(nn.Dense(12, name="qkv")(x), 3, axis=-1)
        q, k, v = (part.reshape(*x.shape[:2], 2, 2) for part in parts)
        mask = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool))
        weights = nn.softmax(
            jnp.where(mask[None, None], jnp.einsum("bshd,bthd->bhst", q, k), -1e9)
        )
        mixed = jnp.einsum("bhst,bthd->bshd", weights, v).reshape(x.shape)
        return nn.Dense(3, name="dense")(x + nn.Dense(4, name="out")(mixed))


def fused_attention() -> Network:
    def within(start: int, view: str) -> list[str]:
        return [f"qkv/{axis} as {view} from {start}" for axis in ("bias 0", "kernel 1")]

    heads, features = "[2] x 2", "2 x [2]"
    return linen(
        FusedAttention(),
        shape(2, 3, dtype=jnp.int32),
        [
            ["embed/embedding 1", "qkv/kernel 0", *dense("out", "dense")],
            [
                *(axis for start in (0, 4, 8) for axis in within(start, heads)),
                f"out/kernel 0 as {heads}",
            ],
            [*within(0, features), *within(4, features)],
            [*within(8, features), f"out/kernel 0 as {features}"],
        ],
    )


def scanned() -> Network:
    """Stacked layers: the stream is one, each layer has units of its own."""

    def apply(params, x):
        def layer(x, weights):
            hidden = nn.relu(x @ weights["in"] + weights["bias"][None])
            return x + hidden @ weights["out"] * params["gain"][None], None

        return (
            jax.lax.scan(layer, x @ params["embed"], params["layers"])[0]
            @ params["head"]
        )

    layers = {"in": shape(3, 4, 5), "bias": shape(3, 5), "out": shape(3, 5, 4)}
    params = {
        "layers": layers,
        "embed": shape(2, 4),
        "head": shape(4, 3),
        "gain": shape(4),
    }
    stream = ["layers/in 1", "layers/out 2", "embed 1", "head 0", "gain 0"]
    return Network(
        apply,
        params,
        shape(2, 2),
        [
            stream,
            *(
                [f"layers/in[{n}] 2", f"layers/bias[{n}] 1", f"layers/out[{n}] 1"]
                for n in range(3)
            ),
        ],
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Recurrent:
    """A network that is itself the pytree of its weights, scanned over time."""

    kernel: jax.Array
    recurrent: jax.Array
    head: jax.Array

    def __call__(self, inputs):
        def step(state, x):
            return jnp.tanh(x @ self.kernel + state @ self.recurrent), None

        state = jnp.zeros((inputs.shape[1], len(self.recurrent)))
        return jax.lax.scan(step, state, inputs)[0] @ self.head


def recurrent() -> Network:
    network = Recurrent(shape(2, 4), shape(4, 4), shape(4, 3))
    units = ["kernel 1", "recurrent 0", "recurrent 1", "head 0"]
    return Network(lambda network, x: network(x), network, shape(3, 2, 2), [units])


NETWORKS: dict[str, Callable[[], Network]] = {
    network.__name__: network
    for network in (
        *(grouped, joined, padded, transformer, fused_attention, scanned),
        recurrent,
    )
}
