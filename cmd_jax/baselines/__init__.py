"""What correlation modes are compared with, on the same recorded run.

Averages of the weights, training in the run's subspace, and dynamic modes.
"""

from cmd_jax.baselines.averaging import AverageState, ema, swa
from cmd_jax.baselines.dynamic_modes import DynamicModes, fit_dynamic_modes
from cmd_jax.baselines.quasi_newton import BFGSState, bfgs
from cmd_jax.baselines.subspace import (
    RestrictedState,
    Subspace,
    principal_subspace,
    restrict,
)
from cmd_jax.baselines.window import WindowState, lawa

__all__ = [
    "AverageState",
    "BFGSState",
    "DynamicModes",
    "RestrictedState",
    "Subspace",
    "WindowState",
    "bfgs",
    "ema",
    "fit_dynamic_modes",
    "lawa",
    "principal_subspace",
    "restrict",
    "swa",
]
