"""Phase transitions in the mini-batch size, in teacher-student problems.

Below a critical mini-batch size training fails, above it the student learns its
teacher. The models are a reconstruction from the abstract of the paper, whose own
definitions and figures were not available.

References:
  R. Marino and F. Ricci-Tersenghi, "Phase transitions in the mini-batch size for sparse
  and dense two-layer neural networks", Mach. Learn.: Sci. Technol. 5 (2024),
  arXiv 2305.06435.
"""

from cmd_jax.phase_transition.committee import CommitteeDiscrete
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.graphs import dense_graph, regular_graph, tree_graph
from cmd_jax.phase_transition.greedy import SparseDiscrete
from cmd_jax.phase_transition.replicas import (
    Budget,
    Model,
    Progress,
    Sweep,
    Tested,
    sweep,
)
from cmd_jax.phase_transition.sign_network import (
    SignNetwork,
    committee,
    flip_gauge,
    outputs,
    path_overlap,
    random_weights,
    sparse_network,
)

__all__ = [
    "Budget",
    "CommitteeDiscrete",
    "Diagram",
    "Model",
    "Progress",
    "SignNetwork",
    "SparseDiscrete",
    "Sweep",
    "Tested",
    "committee",
    "dense_graph",
    "flip_gauge",
    "outputs",
    "path_overlap",
    "random_weights",
    "regular_graph",
    "sparse_network",
    "sweep",
    "tree_graph",
]
