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

__all__ = ["Diagram"]
