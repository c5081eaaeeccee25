"""Study, model and reshape the training trajectories of neural networks, in JAX.

A trajectory is fixed by its start, its objective, its iterates and the noise of the
mini-batch; each subpackage intervenes at one of them. Subpackages are imported when
first used, so ``import cmd_jax`` is cheap and ``cmd_jax.modes`` needs no Flax.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_SUBPACKAGES = (
    "baselines",
    "data",
    "least_action",
    "models",
    "modes",
    "phase_transition",
    "report",
    "train",
    "trajectory",
    "transfer",
)
__all__ = [
    "baselines",
    "data",
    "least_action",
    "models",
    "modes",
    "phase_transition",
    "report",
    "train",
    "trajectory",
    "transfer",
]

if TYPE_CHECKING:
    from cmd_jax import (
        baselines,
        data,
        least_action,
        models,
        modes,
        phase_transition,
        report,
        train,
        trajectory,
        transfer,
    )


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"cmd_jax.{name}")
    raise AttributeError(f"module 'cmd_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBPACKAGES])
