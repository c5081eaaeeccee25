"""Logistic regression of successes on the batch size, also where nothing overlaps.

At a sharp transition no batch size has both outcomes, and maximum likelihood wants an
infinite slope. Firth's penalty, half the logarithm of the information's determinant,
keeps it finite and takes away the bias of few replicas.

References:
  D. Firth, "Bias reduction of maximum likelihood estimates", Biometrika 80 (1993).
  G. Heinze and M. Schemper, "A solution to the problem of separation in logistic
  regression", Statistics in Medicine 21 (2002).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

_MAX_STEPS = 100
_MAX_MOVE = 2.0  # of a coefficient in one step, for standardised batch sizes
_TOLERANCE = 1e-8


class Logistic(NamedTuple):
    """P(m) = 1 / (1 + exp(-slope (m - middle))), fitted to one or several data sets.

    Attributes:
      middle: where P is one half; NaN where P does not rise.
      slope: per unit of the batch size.
      converged: whether the penalised likelihood has its maximum there.
    """

    middle: Float[np.ndarray, "*sets"]
    slope: Float[np.ndarray, "*sets"]
    converged: Bool[np.ndarray, "*sets"]

    def probability(self, batch_sizes: Num[np.ndarray, " points"]) -> np.ndarray:
        """P at each batch size, for a single fit [points]."""
        return _sigmoid(self.slope * (batch_sizes - self.middle))


def fit_logistic(
    batch_sizes: Num[np.ndarray, " points"],
    successes: Int[np.ndarray, "*sets points"],
    num_trials: int,
) -> Logistic:
    """Fits data sets that share their batch sizes, all at once.

    Args:
      batch_sizes: m, at least two different ones.
      successes: how many of the trials succeeded at each.
      num_trials: trials at each.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.phase_transition.logistic import fit_logistic
      >>> fit = fit_logistic(np.array([8, 10, 12, 14]), np.array([0, 0, 8, 8]), 8)
      >>> round(float(fit.middle), 6)
      11.0
    """
    centre, scale = batch_sizes.mean(), batch_sizes.std()
    x = (batch_sizes - centre) / scale
    beta = np.zeros((*successes.shape[:-1], 2))
    move = np.full_like(beta, np.inf)
    for _ in range(_MAX_STEPS):
        move = _newton_step(beta, x, successes, num_trials)
        beta = beta + np.clip(move, -_MAX_MOVE, _MAX_MOVE)
        if np.abs(move).max() < _TOLERANCE:
            break
    intercept, slope = beta[..., 0], beta[..., 1]
    rises = slope > _TOLERANCE
    middle = np.where(rises, -intercept / np.where(rises, slope, 1), np.nan)
    converged = np.abs(move).max(axis=-1) < _TOLERANCE
    return Logistic(middle * scale + centre, slope / scale, converged)


def _newton_step(
    beta: np.ndarray, x: np.ndarray, successes: np.ndarray, num_trials: int
) -> np.ndarray:
    """The inverse information times the penalised score, of every data set."""
    p = _sigmoid(beta[..., :1] + beta[..., 1:] * x)
    weight = num_trials * p * (1 - p)
    zeroth, first, second = ((weight * x**k).sum(axis=-1)[..., None] for k in range(3))
    determinant = zeroth * second - first**2
    leverage = weight * (second - 2 * first * x + zeroth * x**2) / determinant
    residual = successes - num_trials * p + leverage * (0.5 - p)
    score = [(residual * x**k).sum(axis=-1)[..., None] for k in range(2)]
    move = second * score[0] - first * score[1], zeroth * score[1] - first * score[0]
    return np.concatenate(move, axis=-1) / determinant


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))
