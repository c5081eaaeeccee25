"""What the finished pairs of a transfer's run have handed over, by method."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.study_page import FinishedRun

TRANSFERS = ("naive", "gmt", "fgmt", "oracle")
"""The methods, in the order to show."""


class FinishedPairs(NamedTuple):
    """The finished targets of a run; their sources handed over nothing.

    Attributes:
      run: without the seeds that are sources.
    """

    run: FinishedRun

    def accuracy(self, name: str) -> Float[np.ndarray, " pairs"]:
        """Test accuracies in per cent; a transfer's at the step that it stops at."""
        return 100 * np.array([found["accuracy"][name] for found in self.run.results])

    def has(self, metric: str, name: str) -> bool:
        """Whether a method has that number."""
        return metric in self.run.results[0]["measures"].get(name, {})

    def metric(self, metric: str, name: str) -> Float[np.ndarray, " pairs"]:
        """Another number of a method."""
        return np.array([found["measures"][name][metric] for found in self.run.results])

    def stacked(self, name: str) -> Float[np.ndarray, "pairs _"]:
        """An array of every pair."""
        return np.stack([arrays[name] for arrays in self.run.arrays])


def pairs_of(run: FinishedRun) -> FinishedPairs:
    """The finished pairs of a run."""
    targets = [n for n, seed in enumerate(run.seeds) if seed % 2 == 0]
    seeds, results, arrays = (
        [values[n] for n in targets] for values in (run.seeds, run.results, run.arrays)
    )
    return FinishedPairs(run._replace(seeds=seeds, results=results, arrays=arrays))
