"""The one door from the device to the host.

Everything that training moves to the host goes through `fetch`, so that "one fetch per
chunk" can be counted by a test (`jax.transfer_guard` never fires on a CPU).
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from cmd_jax import sharding
from cmd_jax.types import PyTree


@dataclasses.dataclass
class FetchCounter:
    """How many times `fetch` was called in this process."""

    calls: int = 0


counter = FetchCounter()


def fetch(tree: PyTree) -> PyTree:
    """Copies a pytree of arrays to the host in one blocking transfer.

    Args:
      tree: arrays on any device. Those whose parts lie with several processes are
        gathered first, so every process has to call.

    Returns:
      The same structure of NumPy arrays that own their memory: on a CPU a plain
      `device_get` may alias a buffer that the next step is going to be donated.
    """
    counter.calls += 1
    leaves, structure = jax.tree.flatten(tree)
    whole = jax.device_get(_gather(leaves))
    return structure.unflatten([np.array(leaf, copy=True) for leaf in whole])


def _gather(leaves: list[Any]) -> list[Any]:
    """Copies on every device in place of arrays that this process sees a part of.

    By one program for all: processes might run several in different orders.
    """
    apart = [number for number, leaf in enumerate(leaves) if _is_apart(leaf)]
    if not apart:
        return leaves
    gather = jax.jit(
        _identity, out_shardings=sharding.replicated(leaves[apart[0]].sharding.mesh)
    )
    copies = gather([leaves[number] for number in apart])
    gathered = dict(zip(apart, copies, strict=True))
    return [gathered.get(number, leaf) for number, leaf in enumerate(leaves)]


def _is_apart(leaf: Any) -> bool:
    """Whether parts of an array lie with other processes only."""
    if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
        return False
    return not leaf.is_fully_replicated


def _identity(leaves: list[jax.Array]) -> list[jax.Array]:
    return leaves
