"""Phase transitions in the mini-batch size, in teacher-student problems.

Below a critical mini-batch size training fails, above it the student learns its teacher.
The models are a reconstruction from the abstract of the paper, whose own definitions
and figures were not available.

References:
  R. Marino and F. Ricci-Tersenghi, "Phase transitions in the mini-batch size for sparse
  and dense two-layer neural networks", Mach. Learn.: Sci. Technol. 5 (2024),
  arXiv 2305.06435.
"""

from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.noise_scale import gradient_noise_scale
from cmd_jax.phase_transition.theory import (
    critical_batch_size,
    flip_probability,
    linear_unit_batch_size,
    perfect_batch_size,
)

__all__ = [
    "Diagram",
    "critical_batch_size",
    "flip_probability",
    "gradient_noise_scale",
    "linear_unit_batch_size",
    "perfect_batch_size",
]
