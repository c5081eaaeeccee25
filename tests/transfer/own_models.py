"""The permutation groups of the models of this project, written by hand."""

from collections.abc import Callable

from cmd_jax import models
from tests.transfer.networks import Network, dense, linen, norm, shape


def mlp() -> Network:
    groups = [dense("dense_0", "dense_1"), dense("dense_1", "dense_2")]
    return linen(models.MLP(3, hidden=(5, 4)), shape(2, 2, 2, 1), groups)


def lenet5() -> Network:
    return linen(
        models.LeNet5(3, width=1),
        shape(2, 16, 20, 1),
        [
            dense("conv_0", "conv_1"),
            dense("conv_1", "dense_0", flattened=" as 2 x [16]"),
            dense("dense_0", "dense_1"),
            dense("dense_1", "dense_2"),
        ],
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
    module = models.ResNet18(3, width=2, statistics="running")
    return linen(module, shape(2, 8, 8, 1), groups)


MODELS: dict[str, Callable[[], Network]] = {
    model.__name__: model for model in (mlp, lenet5, resnet18)
}
