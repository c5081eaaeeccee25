"""Training along the path of least action (LAP): cost, multiplier, objective, measures.

Figures are in `cmd_jax.least_action.figures`, which needs Matplotlib.
"""

from cmd_jax.least_action.assignment import Clouds, assignment_gap, make_clouds
from cmd_jax.least_action.carried_state import carry_state, inner_state
from cmd_jax.least_action.cost import REDUCTIONS, transport_cost
from cmd_jax.least_action.measures import FlowMeasures, Measure, make_measure
from cmd_jax.least_action.multiplier import Multiplier, ascend, initial_multiplier
from cmd_jax.least_action.regularization import LeastActionState, regularize

__all__ = [
    "REDUCTIONS",
    "Clouds",
    "FlowMeasures",
    "LeastActionState",
    "Measure",
    "Multiplier",
    "ascend",
    "assignment_gap",
    "carry_state",
    "initial_multiplier",
    "inner_state",
    "make_clouds",
    "make_measure",
    "regularize",
    "transport_cost",
]
