"""A phase diagram: what became of every replica at every mini-batch size.

The order parameters are those of a student in a teacher-student problem (Marino and
Ricci-Tersenghi); the models are a reconstruction, see `cmd_jax.phase_transition`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Diagram(NamedTuple):
    """Measurements over the mini-batch sizes (points) and the replicas (seeds).

    Attributes:
      batch_sizes: m, ascending.
      error: the generalisation error by first passage: of a replica that passed 0, of
        all others that of the last test. A fraction of wrong output bits for greedy
        learning, a relative mean squared error for SGD.
      stationary_error: the mean over the tests in the second half of a run that was not
        stopped; NaN where it was not measured.
      passed: whether the replica reached zero error (SGD: converged).
      num_sweeps: sweeps (SGD: steps) until it passed, or in all.
      overlap: q, the gauge-invariant overlap of paths through teacher and student.
      num_units: N, the number of inputs.
      degree: d, the connectivity of the teacher.
      start: "random" or "teacher".
    """

    batch_sizes: Int[np.ndarray, " points"]
    error: Float[np.ndarray, "points seeds"]
    stationary_error: Float[np.ndarray, "points seeds"]
    passed: Bool[np.ndarray, "points seeds"]
    num_sweeps: Int[np.ndarray, "points seeds"]
    overlap: Float[np.ndarray, "points seeds"]
    num_units: int
    degree: int
    start: str = "random"

    @property
    def success(self) -> Float[np.ndarray, " points"]:
        """P0, the fraction of replicas that passed."""
        return self.passed.mean(axis=1)

    @property
    def bounded_error(self) -> Float[np.ndarray, "points seeds"]:
        """The error, 1 where it is larger: who diverged knows no more than nothing."""
        return np.minimum(self.error, 1.0)

    @property
    def susceptibility(self) -> Float[np.ndarray, " points"]:
        """N times the sample variance of the (bounded) error over the replicas."""
        return self.num_units * self.bounded_error.var(axis=1, ddof=1)
