"""The permutation groups of the models of this project, written by hand."""

from collections.abc import Callable
from typing import Any

import jax

from cmd_jax import models
from tests.transfer.networks import Network, dense, norm, shape


def own(
    name: str, inputs: jax.ShapeDtypeStruct, lists: list[list[str]], **options: Any
) -> Network:
    network = models.create(name, num_classes=2, **options)
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


def resnet18() -> Network:
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
    return own("resnet18", shape(2, 8, 8, 1), groups, width=2, statistics="running")


MODELS: dict[str, Callable[[], Network]] = {
    model.__name__: model for model in (mlp, lenet5, resnet18)
}
