"""The permutation groups of the models of this project, written by hand."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cmd_jax import models
from tests.transfer.networks import Network, dense, norm, shape


def own(
    name: str,
    inputs: jax.ShapeDtypeStruct,
    lists: list[list[str]],
    num_classes: int = 2,
    **options: Any,
) -> Network:
    network = models.create(name, num_classes=num_classes, **options)
    params, state = jax.eval_shape(network.init, jax.random.key(0), inputs)

    def apply(variables: Any, inputs: jax.Array) -> jax.Array:
        rest = dict(variables)
        return network.apply(rest.pop("params"), rest, inputs)[0]

    return Network(apply, {"params": params, **state}, inputs, lists)


def mlp() -> Network:
    groups = [dense("dense_0", "dense_1"), dense("dense_1", "dense_2")]
    return own("mlp", shape(2, 2, 2, 1), groups, hidden=(5, 4))


def lenet5() -> Network:
    return own(
        "lenet5",
        shape(2, 16, 20, 1),
        [
            dense("conv_0", "conv_1"),
            dense("conv_1", "dense_0", flattened=" as 2 x [16]"),
            dense("dense_0", "dense_1"),
            dense("dense_1", "dense_2"),
        ],
        width=1,
    )


def resnet18(stem: str = "small") -> Network:
    """Each stage's stream moves as one, as do the units within each block."""
    groups = []
    for block in range(8):
        name = f"block_{block}"
        inner = [f"{name}/conv_0/kernel 3", f"{name}/conv_1/kernel 2"]
        groups.append([*inner, *norm(f"{name}/norm_0")])
    for stage in range(4):
        blocks = [f"block_{2 * stage + place}" for place in range(2)]
        stream = ["conv/kernel 3", *norm("norm"), f"{blocks[0]}/conv_0/kernel 2"]
        if stage > 0:
            shortcut = f"{blocks[0]}/shortcut"
            stream = [f"{shortcut}/kernel 3", *norm(f"{shortcut}_norm")]
        for block in blocks:
            stream += [f"{block}/conv_1/kernel 3", *norm(f"{block}/norm_1")]
        after = f"block_{2 * stage + 2}"
        stream += [f"{blocks[1]}/conv_0/kernel 2"]
        stream += [f"{after}/conv_0/kernel 2", f"{after}/shortcut/kernel 2"]
        groups.append(stream if stage < 3 else [*stream[:-2], "dense/kernel 0"])
    options = {"width": 2, "statistics": "running", "stem": stem}
    return own("resnet18", shape(2, 8, 8, 1), groups, **options)


def resnet18_imagenet() -> Network:
    """The stem's pooling moves no channel."""
    return resnet18("imagenet")


def conv8() -> Network:
    layers = [*(f"conv_{layer}" for layer in range(8)), "dense_0", "dense_1", "dense_2"]
    groups = [dense(*pair) for pair in itertools.pairwise(layers)]
    return own("conv8", shape(2, 32, 32, 1), groups, width=2)


def within(block: str) -> list[str]:
    """The units within a pre-activation block."""
    kernels = [f"{block}/conv_0/kernel 3", f"{block}/conv_1/kernel 2"]
    return [*kernels, *norm(f"{block}/norm_1")]


def stream(*blocks: str) -> list[str]:
    """What pre-activation blocks read and write; block_0 has no norm before it."""
    kernels = [f"{block}/conv_{k}/kernel {2 + k}" for block in blocks for k in (0, 1)]
    normed = [block for block in blocks if block != "block_0"]
    return [*kernels, *(axis for block in normed for axis in norm(f"{block}/norm_0"))]


def one_rep() -> Network:
    encoder = ["encoder_1/bias 0", "encoder_1/kernel 3"]
    return own(
        "one_rep",
        shape(2, 4, 4, 1),
        [
            ["encoder_0/bias 0", "encoder_0/kernel 3", "encoder_1/kernel 2"],
            [*encoder, *stream("block_0", "block_1"), "head_0/kernel 0 as 4 x [4]"],
            *(within(f"block_{block}") for block in range(2)),
            [*dense("head_0", "head_1"), *norm("head_norm")],
        ],
        num_blocks=2,
        width=4,
    )


def resnet110() -> Network:
    """A stage's stream begins where the image is halved."""
    streams = [
        ["conv/kernel 3", *norm("norm"), *stream("block_0"), "down_1/kernel 2"],
        ["down_1/kernel 3", *stream("block_1"), "down_2/kernel 2"],
        ["down_2/kernel 3", *stream("block_2"), "dense/kernel 0"],
    ]
    groups = [*streams, *(within(f"block_{block}") for block in range(3))]
    return own("resnet110", shape(2, 4, 4, 1), groups, width=2, blocks_per_stage=1)


def wide_resnet() -> Network:
    """Where the shape changes, both paths read one stream and begin another."""
    groups, read = [], ["conv/bias 0", "conv/kernel 3"]
    for stage in range(3):
        block, shortcut = f"block_{stage}", f"shortcut_{stage}"
        read += [f"{block}/conv_0/kernel 2", *norm(f"{block}/norm_0")]
        groups.append([*read, f"{shortcut}/kernel 2"])
        groups.append([f"{block}/conv_0/bias 0", *within(block)])
        ends = (shortcut, f"{block}/conv_1")
        read = [f"{end}/{axis}" for end in ends for axis in ("bias 0", "kernel 3")]
    groups.append([*read, *norm("norm"), "dense/kernel 0"])
    return own("wide_resnet", shape(2, 4, 4, 1), groups, depth=10, width=2)


def pre_resnet() -> Network:
    """The first stage keeps the stem's channels, and so has no shortcut."""
    groups, read = [], ["conv/kernel 3"]
    for stage in range(3):
        block, shortcut = f"block_{stage}", f"shortcut_{stage}"
        read += [f"{block}/conv_0/kernel 2", *norm(f"{block}/norm_0")]
        if stage > 0:
            groups.append([*read, f"{shortcut}/kernel 2"])
            read = [f"{shortcut}/kernel 3"]
        read += [f"{block}/conv_1/kernel 3"]
        groups.append(within(block))
    groups.append([*read, *norm("norm"), "dense/kernel 0"])
    return own("pre_resnet", shape(2, 4, 4, 1), groups, width=2, blocks_per_stage=1)


def googlenet() -> Network:
    """A branch's channels are a group, and a segment of what reads all branches."""

    def layer(name: str) -> list[str]:
        return [f"{name}/bias 0", f"{name}/kernel 3", *norm(f"{name}_norm")]

    def readers(stage: int) -> list[str]:
        names = ("conv_1x1", "reduce_3x3", "reduce_5x5", "pool")
        inception = [f"block_{stage}_0/{name}/kernel 2" for name in names]
        return inception if stage < 3 else ["dense/kernel 0"]

    groups = [[*layer("conv"), *readers(0)]]
    for stage, sizes in enumerate(((8, 16, 4), (24, 26, 6), (32, 40, 16))):
        block, start = f"block_{stage}_0", 0
        branches = ("conv_1x1", "conv_3x3", "conv_5x5_1", "pool")
        for branch, size in zip(branches, (*sizes, 0), strict=True):
            after = [f"{axis} from {start}" for axis in readers(stage + 1)]
            groups.append([*layer(f"{block}/{branch}"), *after])
            start += size
        inner = ("reduce_3x3", "conv_3x3"), ("reduce_5x5", "conv_5x5_0")
        for name, after in (*inner, ("conv_5x5_0", "conv_5x5_1")):
            groups.append([*layer(f"{block}/{name}"), f"{block}/{after}/kernel 2"])
    return own("googlenet", shape(2, 4, 4, 1), groups, width=8, blocks_per_stage=1)


def resnext50() -> Network:
    """Within a block: the groups, and what a group reads and what it writes."""

    def layer(name: str, view: str) -> list[str]:
        axes = [f"{name}/kernel 3", *norm(f"{name}_norm")]
        return [f"{axis}{view}" for axis in axes]

    def inner(block: str, features: int) -> list[list[str]]:
        reduce, grouped = f"{block}/reduce", f"{block}/grouped"
        outer, inside = f" as [2] x {features}", f" as 2 x [{features}]"
        expand = f"{block}/expand/kernel 2"
        return [
            [*layer(reduce, outer), *layer(grouped, outer), f"{expand}{outer}"],
            [*layer(reduce, inside), f"{grouped}/kernel 2"],
            [*layer(grouped, inside), f"{expand}{inside}"],
        ]

    counts, groups, after = (3, 4, 6, 3), [[*layer("stem_0", ""), "stem_1/kernel 2"]], 0
    read = [*layer("stem_1", "")]
    for stage, count in enumerate(counts):
        blocks = [f"block_{after + place}" for place in range(count)]
        after += count
        shortcut = f"shortcut_{stage}"
        groups.append([*read, f"{blocks[0]}/reduce/kernel 2", f"{shortcut}/kernel 2"])
        read = layer(shortcut, "")
        for block in blocks:
            groups += inner(block, 4 * 2**stage)
            read += layer(f"{block}/expand", "")
        read += [f"{block}/reduce/kernel 2" for block in blocks[1:]]
    groups.append([*read, "dense/kernel 0"])
    return own("resnext50", shape(2, 4, 4, 1), groups, width=4, groups=2)


def point_resnet() -> Network:
    """Its stacked blocks are taken one by one, and share one permutation."""
    groups = [["in_kernels 2", "in_biases 1", "out_kernels 1"]]
    return own("point_resnet", shape(3, 1, 1, 2), groups, num_blocks=2)


def vit() -> Network:
    """The stream is one, from the patches and the class token to the head."""
    stream = ["token 2", "positions 2", "patches/bias 0", "patches/kernel 3"]
    sizes = {"patch": 2, "hidden": 6, "depth": 2, "heads": 3, "mlp_hidden": 5}
    return own("vit", shape(2, 4, 4, 1), transformer(stream), **sizes)


def decoder() -> Network:
    """The stream is one, from the embedded tokens to the head."""
    stream = ["embed/embedding 1", "positions 2"]
    sizes = {"hidden": 6, "depth": 2, "heads": 3, "context": 5, "num_classes": 7}
    return own("decoder", shape(2, 4, dtype=jnp.int32), transformer(stream), **sizes)


def transformer(stream: list[str]) -> list[list[str]]:
    """Two blocks behind a stream: hidden units, heads, and two kinds within them."""
    names = ("query", "key", "value")
    stream = [*stream, *layer_norm("norm"), "head/kernel 0"]
    groups = []
    for block in ("block_0", "block_1"):
        attention = f"{block}/attention"
        stream += [*layer_norm(f"{block}/norm_0"), *layer_norm(f"{block}/norm_1")]
        stream += [f"{attention}/{name}/kernel 0" for name in names]
        stream += [f"{attention}/out/kernel 2", f"{attention}/out/bias 0"]
        stream += [f"{block}/dense_0/kernel 0", f"{block}/dense_1/kernel 1"]
        stream += [f"{block}/dense_1/bias 0"]
        query, key, value = (
            [
                [
                    f"{attention}/{name}/bias {axis}",
                    f"{attention}/{name}/kernel {axis + 1}",
                ]
                for axis in range(2)
            ]
            for name in names
        )
        groups += [
            dense(f"{block}/dense_0", f"{block}/dense_1"),
            [*query[0], *key[0], *value[0], f"{attention}/out/kernel 0"],
            [*query[1], *key[1]],
            [*value[1], f"{attention}/out/kernel 1"],
        ]
    return [stream, *groups]


def layer_norm(name: str) -> list[str]:
    """What LayerNorm keeps of each feature."""
    return [f"{name}/bias 0", f"{name}/scale 0"]


MODELS: dict[str, Callable[[], Network]] = {
    model.__name__: model
    for model in (
        *(mlp, lenet5, resnet18, resnet18_imagenet, conv8, one_rep, resnet110),
        *(resnext50, point_resnet, wide_resnet, pre_resnet, googlenet, vit, decoder),
    )
}
