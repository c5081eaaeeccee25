"""The critical mini-batch size m_c of a diagram, by three observables, with intervals.

P0 = 1/2 marks a first-order transition. At a continuous one it drifts like ln N with
the number of weights that all have to be right; there the error's passage of a level,
or the peak of the susceptibility N Var(ε), is what stays.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cmd_jax import rng
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.logistic import fit_logistic
from cmd_jax.types import Key


class Threshold(NamedTuple):
    """A critical batch size and what the replicas say about it.

    Attributes:
      estimate: m_c; NaN if the diagram lies on one side of it.
      low: of the interval.
      high: of the interval.
      below: the largest measured batch size below m_c; -inf if there is none.
      above: the smallest measured batch size above it; inf if there is none.
    """

    estimate: float
    low: float
    high: float
    below: float
    above: float


def success_threshold(
    diagram: Diagram,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    key: Key,
) -> Threshold:
    """Where half of the replicas pass: P0 = 1/2 of a logistic curve.

    The interval is a parametric bootstrap: new outcomes are drawn from the fitted
    curve. Where no batch size has both outcomes the replicas know no more than the two
    between which the crossing lies, and those are the interval.

    Args:
      diagram: at least one batch size.
      confidence: of the interval.
      num_resamples: of the bootstrap.
      key: of the bootstrap.

    Returns:
      The threshold; `below` and `above` are where P0 itself crosses one half.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.phase_transition import Diagram, success_threshold
      >>> passed = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]], bool)
      >>> error = np.where(passed, 0.0, 0.4)
      >>> diagram = Diagram(
      ...     np.array([4, 6, 8, 10]), error, error, passed, 9 * passed, error, 60, 3
      ... )
      >>> threshold = success_threshold(diagram, key=jax.random.key(0))
      >>> round(threshold.estimate, 3), threshold.below, threshold.above
      (7.0, 6.0, 8.0)
    """
    sizes, seeds = diagram.batch_sizes, diagram.passed.shape[1]
    below, above = _bracket(diagram, diagram.success < 0.5)
    if not np.isfinite([below, above]).all():
        return Threshold(np.nan, below, above, below, above)
    successes = diagram.passed.sum(axis=1)
    fit = fit_logistic(sizes, successes, seeds)
    if np.isin(successes, (0, seeds)).all() or not np.isfinite(fit.middle):
        return Threshold(float(fit.middle), below, above, below, above)
    draws = rng.generator(rng.stream(key, "bootstrap"))
    chances = fit.probability(sizes)
    resampled = draws.binomial(seeds, chances, (num_resamples, len(sizes)))
    middles = fit_logistic(sizes, resampled, seeds).middle
    return Threshold(
        float(fit.middle), *_interval(middles, confidence), below=below, above=above
    )


def error_threshold(
    diagram: Diagram,
    *,
    level: float = 0.25,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    key: Key,
) -> Threshold:
    """Where the mean error falls below a level, between measured points by a line.

    Args:
      diagram: at least one batch size.
      level: ε_g; half of the error of guessing by default.
      confidence: of the interval.
      num_resamples: of the bootstrap over the replicas of each batch size.
      key: of the bootstrap.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.phase_transition import Diagram, error_threshold
      >>> error = np.array([[0.4, 0.4], [0.3, 0.3], [0.1, 0.1]])
      >>> diagram = Diagram(
      ...     np.array([4, 6, 8]), error, error, error < 0, np.ones((3, 2), int), error,
      ...     60, 3
      ... )
      >>> error_threshold(diagram, key=jax.random.key(0)).estimate
      6.5
    """
    error = diagram.bounded_error
    means = error.mean(axis=1)
    below, above = _bracket(diagram, means > level)
    if not np.isfinite([below, above]).all():
        return Threshold(np.nan, below, above, below, above)
    resampled = _resampled(error, num_resamples, key).mean(axis=-1)
    found = np.array([_passage(diagram.batch_sizes, row, level) for row in resampled])
    estimate = _passage(diagram.batch_sizes, means, level)
    return Threshold(estimate, *_interval(found, confidence), below=below, above=above)


def susceptibility_peak(
    diagram: Diagram,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    key: Key,
) -> Threshold:
    """The measured batch size at which the replicas differ the most, N Var(ε).

    Args:
      diagram: at least two replicas.
      confidence: of the interval.
      num_resamples: of the bootstrap over the replicas of each batch size.
      key: of the bootstrap.

    Returns:
      The threshold; `below` and `above` are the neighbours of the peak.

    Raises:
      ValueError: a single replica has no spread.
    """
    if diagram.error.shape[1] < 2:
        raise ValueError("a single replica has no spread; measure at least two seeds")
    error = diagram.bounded_error
    sizes = diagram.batch_sizes
    peak = int(error.var(axis=1).argmax())
    resampled = _resampled(error, num_resamples, key).var(axis=-1)
    around = [-np.inf, *map(float, sizes), np.inf]
    return Threshold(
        float(sizes[peak]),
        *_interval(sizes[resampled.argmax(axis=1)], confidence),
        below=around[peak],
        above=around[peak + 2],
    )


def _bracket(
    diagram: Diagram, fails: Bool[np.ndarray, " points"]
) -> tuple[float, float]:
    """The last batch size that fails, and the one after it."""
    around = [-np.inf, *map(float, diagram.batch_sizes), np.inf]
    last = int(np.flatnonzero(fails)[-1]) + 1 if fails.any() else 0
    return around[last], around[last + 1]


def _passage(sizes: np.ndarray, means: np.ndarray, level: float) -> float:
    """The last passage from above the level to below it; an end if there is none."""
    above = np.flatnonzero(means > level)
    if not above.size:
        return float(sizes[0])
    last = above[-1]
    if last == len(sizes) - 1:
        return float(sizes[-1])
    share = (means[last] - level) / (means[last] - means[last + 1])
    return float(sizes[last] + share * (sizes[last + 1] - sizes[last]))


def _resampled(
    values: Float[np.ndarray, "points seeds"], number: int, key: Key
) -> np.ndarray:
    """Replicas drawn anew at each batch size [number, points, seeds]."""
    draws = rng.generator(rng.stream(key, "bootstrap"))
    points, seeds = values.shape
    chosen = draws.integers(seeds, size=(number, points, seeds))
    return values[np.arange(points)[:, None], chosen]


def _interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return float(low), float(high)
