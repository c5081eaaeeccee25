"""What a sweep over mini-batch sizes asks of a model: a problem, and steps for it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Float32

from cmd_jax.types import Array, Key, PyTree

Train = Callable[[PyTree, Array, Key], PyTree]
"""(state, keys [replicas], key) -> state after a sweep; `key` is shared by all."""


class Tested(NamedTuple):
    """How well each replica does on fresh patterns."""

    error: Float32[Array, " replicas"]
    overlap: Float32[Array, " replicas"]


Test = Callable[[PyTree, Array], Tested]
"""(state, keys [replicas]) -> the error on fresh patterns and the overlap."""


@runtime_checkable
class Model(Protocol):
    """A teacher-student problem and how its students learn.

    Attributes:
      num_units: N.
      degree: d.
      start: "random" or "teacher".
      tolerance: an error up to which a replica counts as having passed.
    """

    @property
    def num_units(self) -> int:
        """See above."""
        ...

    @property
    def degree(self) -> int:
        """See above."""
        ...

    @property
    def start(self) -> str:
        """See above."""
        ...

    @property
    def tolerance(self) -> float:
        """See above."""
        ...

    def check(self, batch_size: int) -> None:
        """Refuses sizes that no network or mini-batch can have, by a ValueError."""
        ...

    def replica_bytes(self, batch_size: int) -> int:
        """The memory that one replica takes while it learns, before there is any."""
        ...

    def problem(
        self, batch_sizes: Sequence[int], keys: Sequence[Key]
    ) -> tuple[PyTree, PyTree]:
        """What stays and what is learned: NumPy arrays, replicas first.

        Args:
          batch_sizes: of each replica.
          keys: of each replica, for its graph, teacher and start.
        """
        ...

    def bind(self, problem: PyTree) -> tuple[Train, Test]:
        """The steps for a problem, or a device's share of one; traced in the chunk."""
        ...


def measured_bytes(model: Model, batch_size: int) -> int:
    """Bytes that one replica of a sweep takes, measured on one that is thrown away.

    What stays and what is learned are there once; a sweep makes copies of them for
    every word of patterns, and a test needs as much again.
    """
    key = jax.random.key(0)
    trees = model.problem([batch_size], [key])
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(trees))
    return size * (2 + 2 * -(-batch_size // 32))
