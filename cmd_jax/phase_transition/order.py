"""Is the transition of first or of second order? Evidence from sizes and branches.

At a first-order transition learned and unlearned states exist side by side: a run fails
with a large error beside one that passes, and a run started at the teacher stays there
where one started at random fails. At a continuous one the error goes to zero by itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num

from cmd_jax.phase_transition.diagram import Diagram

_LARGE = 0.1  # an error, or a difference of errors, that is no rounding off of zero
_NUM_DEVIATIONS = 3  # standard errors that a difference has to be away from zero


class Hysteresis(NamedTuple):
    """The difference of the branches that start at random and at the teacher.

    Attributes:
      batch_sizes: those that both branches have.
      gap: mean error from random minus that from the teacher.
      standard_error: of the gap, over the replicas.
    """

    batch_sizes: Int[np.ndarray, " points"]
    gap: Float[np.ndarray, " points"]
    standard_error: Float[np.ndarray, " points"]

    @property
    def open(self) -> np.ndarray:
        """The batch sizes at which the branches differ: by 0.1, and significantly."""
        significant = self.gap > _NUM_DEVIATIONS * self.standard_error
        return self.batch_sizes[significant & (self.gap > _LARGE)]


class Verdict(NamedTuple):
    """The order of a transition and what it was read from.

    Attributes:
      order: "first", "second", or "undecided" if the evidence is divided or too little.
      remaining_error: the mean error of the replicas that fail at the largest batch
        size at which any does; NaN if all pass, or none.
      hysteresis: the largest gap between the branches; NaN without a second branch.
      evidence: the same in words.
    """

    order: str
    remaining_error: float
    hysteresis: float
    evidence: str


class FiniteSize(NamedTuple):
    """How a threshold grows with the number of units.

    Attributes:
      exponent: γ of m_c = a N^γ; 0 if it stays, 1 if it is proportional.
      exponent_error: standard error; NaN for two sizes.
      drift: b of m_c = c + b ln N.
      drift_error: standard error; NaN for two sizes.
    """

    exponent: float
    exponent_error: float
    drift: float
    drift_error: float


def compare_branches(random: Diagram, teacher: Diagram) -> Hysteresis:
    """The gap between two branches of one model, where both were measured.

    Args:
      random: started at random weights.
      teacher: started at the teacher's weights.

    Raises:
      ValueError: the starts are not these, or no batch size is in both.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.phase_transition import Diagram, compare_branches
      >>> def branch(start, *errors):
      ...     error = np.array([errors])
      ...     passed, steps = error == 0, np.ones((1, 2), int)
      ...     sizes = np.array([18])
      ...     return Diagram(sizes, error, error, passed, steps, error, 60, 5, start)
      >>> random, teacher = branch("random", 0.36, 0.37), branch("teacher", 0.02, 0.01)
      >>> compare_branches(random, teacher).open.tolist()
      [18]
    """
    if (random.start, teacher.start) != ("random", "teacher"):
        raise ValueError(
            f"the branches start at {random.start!r} and {teacher.start!r}; give the "
            "one from 'random' and the one from 'teacher', in this order"
        )
    sizes, here, there = np.intersect1d(
        random.batch_sizes, teacher.batch_sizes, return_indices=True
    )
    if not sizes.size:
        raise ValueError(
            f"the branches have the batch sizes {random.batch_sizes.tolist()} and "
            f"{teacher.batch_sizes.tolist()}; none is in both"
        )
    first, second = random.bounded_error[here], teacher.bounded_error[there]
    squares = [x.var(axis=1, ddof=1) / x.shape[1] for x in (first, second)]
    gap = first.mean(axis=1) - second.mean(axis=1)
    return Hysteresis(sizes, gap, np.sqrt(squares[0] + squares[1]))


def judge_order(diagram: Diagram, hysteresis: Hysteresis | None = None) -> Verdict:
    """First or second order, by the errors of runs that fail and by the branches.

    "first" if failing runs keep an error above 0.1 next to m_c, and the branches (where
    there are two) differ; "second" if neither; "undecided" otherwise.

    Args:
      diagram: from random weights, of the largest N there is.
      hysteresis: of the branches, see `compare_branches`.
    """
    remaining = _remaining_error(diagram)
    gap = np.nan if hysteresis is None else float(hysteresis.gap.max())
    jumps = remaining > _LARGE
    opens = jumps if hysteresis is None else bool(hysteresis.open.size)
    if np.isnan(remaining) or jumps != opens:
        order = "undecided"
    else:
        order = "first" if jumps else "second"
    return Verdict(order, remaining, gap, _evidence(remaining, hysteresis))


def finite_size_scaling(
    num_units: Sequence[int], thresholds: Sequence[int | float]
) -> FiniteSize:
    """How thresholds grow with N: as a power, and as a logarithm.

    Args:
      num_units: N, at least two different ones.
      thresholds: m_c at each.

    Raises:
      ValueError: fewer than two sizes, or a threshold that is not positive.

    Example:
      >>> from cmd_jax.phase_transition import finite_size_scaling
      >>> round(finite_size_scaling([45, 99, 195], [75, 165, 325]).exponent, 3)
      1.0
    """
    sizes, values = np.asarray(num_units, float), np.asarray(thresholds, float)
    if len(set(sizes)) < 2 or len(sizes) != len(values) or not (values > 0).all():
        raise ValueError(
            f"num_units is {list(num_units)} and thresholds are {list(thresholds)}; "
            "give positive thresholds of at least two different sizes"
        )
    logarithm = np.log(sizes)
    return FiniteSize(*_slope(logarithm, np.log(values)), *_slope(logarithm, values))


def _slope(x: Num[np.ndarray, " sizes"], y: np.ndarray) -> tuple[float, float]:
    """Slope of the line of least squares and its standard error."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    if len(x) < 3:
        return slope, np.nan
    residual = y - y.mean() - slope * centred
    variance = residual @ residual / (len(x) - 2) / (centred @ centred)
    return slope, float(np.sqrt(variance))


def _remaining_error(diagram: Diagram) -> float:
    failing = np.flatnonzero(~diagram.passed.all(axis=1))
    if not failing.size or not diagram.passed.any():
        return np.nan
    last = failing[-1]
    return float(diagram.bounded_error[last][~diagram.passed[last]].mean())


def _evidence(remaining: float, hysteresis: Hysteresis | None) -> str:
    failing = f"replicas that fail next to m_c keep an error of {remaining:.3f}"
    if np.isnan(remaining):
        failing = "the batch sizes lie on one side of m_c"
    if hysteresis is None:
        return f"{failing}; no branch from the teacher was measured"
    where = ", ".join(map(str, hysteresis.open)) or "no batch size"
    return f"{failing}; the branches differ at {where}"
