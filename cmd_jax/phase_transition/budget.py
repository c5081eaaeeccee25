"""What a sweep is asked for: how long replicas train, and at which mini-batch sizes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Budget(NamedTuple):
    """How long replicas train, and how often they are tested.

    Attributes:
      num_sweeps: sweeps in all, a multiple of `test_every`.
      test_every: sweeps between two tests. P0 depends on it: a rarer test passes less.
      stationary: go on with replicas that passed, to measure the stationary error too.
      chunk_tests: tests in one call of the compiled chunk.
    """

    num_sweeps: int = 2000
    test_every: int = 50
    stationary: bool = False
    chunk_tests: int = 4


def check_batch_sizes(batch_sizes: Sequence[Any]) -> None:
    """Refuses mini-batch sizes that are none, or not in ascending order.

    Raises:
      ValueError: names them.
    """
    sizes = list(batch_sizes)
    whole = all(isinstance(size, int | np.integer) for size in sizes)
    if not sizes or not whole or sizes[0] < 1 or sorted(set(sizes)) != sizes:
        raise ValueError(
            f"batch_sizes={sizes}; they must be whole numbers of at least 1, in "
            "ascending order, and at least one"
        )


def check_budget(budget: Budget) -> None:
    """Refuses a number of sweeps that tests do not divide.

    Raises:
      ValueError: names the numbers.
    """
    if min(budget.test_every, budget.chunk_tests, budget.num_sweeps) < 1:
        raise ValueError(f"{budget}: all numbers must be at least 1")
    if budget.num_sweeps % (2 * budget.test_every):
        raise ValueError(
            f"num_sweeps={budget.num_sweeps} with test_every={budget.test_every}; "
            "num_sweeps must be a multiple of twice test_every"
        )
