"""Permutation groups: how long it takes to read them from a network's program."""

import timeit
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from benchmark_cases.case import Case, Work
from cmd_jax import models, transfer


def reading(module: nn.Module, image_size: int, num_groups: int, limit: float) -> Work:
    """Tracing the network and finding its groups, against a limit in seconds."""
    images = jax.ShapeDtypeStruct((2, image_size, image_size, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)

    def find() -> None:
        groups = transfer.permutation_groups(module.apply, variables, images)
        if len(groups) != num_groups:
            raise RuntimeError(f"{len(groups)} groups, not {num_groups}:\n{groups}")

    def seconds() -> float:
        jax.clear_caches()  # of what is traced: as in a new process
        return timeit.timeit(find, number=1)

    note = f"{num_groups} groups; the reference is the limit"
    return Work(lambda: limit, seconds, note=note, unit="seconds")


def _case(name: str, network: str, limit: float, setup: Callable[[], Work]) -> Case:
    return Case(
        name,
        f"permutation groups of {network} from its program, against {limit:g} s",
        "at most",
        bar=1,
        aim=0.5,
        setup=setup,
    )


CASES = (
    _case(
        "groups_resnet18",
        "ResNet18 with BatchNorm",
        1,
        lambda: reading(models.ResNet18(10, statistics="running"), 32, 12, 1),
    ),
    _case(
        "groups_transformer",
        "ViT-B/16",
        3,
        lambda: reading(models.ViT(1000), 224, 49, 3),
    ),
)
