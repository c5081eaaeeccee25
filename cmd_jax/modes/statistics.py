"""How well a fit explains a history: R² and correlations by leaf and mode."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float64, Int64

from cmd_jax.modes.fit import Fit

_WEIGHTS_AT_A_TIME = 2**16  # bincount widens what it is given


class Statistics(NamedTuple):
    """Sums over the weights that move; leaves are in tree order.

    Attributes:
      counts: how many such weights each leaf has in each mode.
      r_squared: the mean over these weights of R²; 0 where there are none.
      correlation: the mean over a leaf's moving weights of |correlation with the
        reference|; 0 where there are none.
    """

    counts: Int64[np.ndarray, "leaves modes"]
    r_squared: Float64[np.ndarray, "leaves modes"]
    correlation: Float64[np.ndarray, " leaves"]

    @property
    def mean_r_squared(self) -> float:
        """The mean of R² over all these weights."""
        return float((self.r_squared * self.counts).sum() / self.counts.sum())


def summarise(fit: Fit, num_modes: int) -> Statistics:
    """The statistics of a fit to `num_modes` references."""
    leaves = zip(
        jax.tree.leaves(fit.labels), jax.tree.leaves(fit.explained), strict=True
    )
    sums = [_sums(x.ravel(), y.ravel(), num_modes) for x, y in leaves]
    counts, r_squared, correlation = (np.array(x) for x in zip(*sums, strict=True))
    return Statistics(
        counts,
        r_squared / np.maximum(counts, 1),
        correlation / np.maximum(counts.sum(axis=1), 1),
    )


def _sums(
    labels: np.ndarray, explained: np.ndarray, num_modes: int
) -> tuple[np.ndarray, np.ndarray, float]:
    counts, r_squared = np.zeros(num_modes, np.int64), np.zeros(num_modes)
    correlation = 0.0
    for start in range(0, len(labels), _WEIGHTS_AT_A_TIME):
        part = slice(start, start + _WEIGHTS_AT_A_TIME)
        index = labels[part].astype(np.intp)
        counts += np.bincount(index, minlength=num_modes)
        r_squared += np.bincount(index, explained[part], num_modes)
        correlation += float(np.sqrt(explained[part]).sum())
    counts[0] -= np.count_nonzero(explained == 0)  # what never moves has label 0
    return counts, r_squared, correlation
