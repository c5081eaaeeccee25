"""Phase transitions in the mini-batch size, in teacher-student problems.

Below a critical mini-batch size training fails, above it the student learns its
teacher. The models are a reconstruction from the abstract of the paper, whose own
definitions and figures were not available.

References:
  R. Marino and F. Ricci-Tersenghi, "Phase transitions in the mini-batch size for sparse
  and dense two-layer neural networks", Mach. Learn.: Sci. Technol. 5 (2024),
  arXiv 2305.06435.
"""

from cmd_jax.phase_transition.budget import Budget, check_batch_sizes, check_budget
from cmd_jax.phase_transition.committee_sweep import CommitteeDiscrete
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.families import create
from cmd_jax.phase_transition.gradient import ContinuousModel, outcomes
from cmd_jax.phase_transition.graphs import dense_graph, regular_graph, tree_graph
from cmd_jax.phase_transition.greedy import SparseDiscrete
from cmd_jax.phase_transition.logistic import Logistic, fit_logistic
from cmd_jax.phase_transition.model import Model, Tested
from cmd_jax.phase_transition.noise_scale import gradient_noise_scale
from cmd_jax.phase_transition.order import (
    FiniteSize,
    Hysteresis,
    Verdict,
    compare_branches,
    finite_size_scaling,
    judge_order,
)
from cmd_jax.phase_transition.replicas import (
    Progress,
    Sweep,
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
from cmd_jax.phase_transition.stability import (
    noise_scale_near_teacher,
    perturbation_growth,
)
from cmd_jax.phase_transition.theory import (
    critical_batch_size,
    flip_probability,
    linear_unit_batch_size,
    perfect_batch_size,
)
from cmd_jax.phase_transition.threshold import (
    Threshold,
    error_threshold,
    success_threshold,
    susceptibility_peak,
)

__all__ = [
    "Budget",
    "CommitteeDiscrete",
    "ContinuousModel",
    "Diagram",
    "FiniteSize",
    "Hysteresis",
    "Logistic",
    "Model",
    "Progress",
    "SignNetwork",
    "SparseDiscrete",
    "Sweep",
    "Tested",
    "Threshold",
    "Verdict",
    "check_batch_sizes",
    "check_budget",
    "committee",
    "compare_branches",
    "create",
    "critical_batch_size",
    "dense_graph",
    "error_threshold",
    "finite_size_scaling",
    "fit_logistic",
    "flip_gauge",
    "flip_probability",
    "gradient_noise_scale",
    "judge_order",
    "linear_unit_batch_size",
    "noise_scale_near_teacher",
    "outcomes",
    "outputs",
    "path_overlap",
    "perfect_batch_size",
    "perturbation_growth",
    "random_weights",
    "regular_graph",
    "sparse_network",
    "success_threshold",
    "susceptibility_peak",
    "sweep",
    "tree_graph",
]
