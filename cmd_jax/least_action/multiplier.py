"""The multiplier of the constraint L = 0, by dual ascent (arXiv 2009.08372, section 4).

Minimise C subject to L = 0: λ ← λ + τ L after every s steps. λ multiplies the loss and
never falls, so that the transport term of L + C / λ fades as far as the task needs it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from cmd_jax.types import Array

_LARGEST = float(jnp.finfo(jnp.float32).max)


class Multiplier(NamedTuple):
    """λ and the steps it has seen; a pytree.

    Attributes:
      value: λ.
      step: how many steps were taken; they count from 1.
    """

    value: Float[Array, ""]
    step: Int[Array, ""]


def initial_multiplier(initial: float) -> Multiplier:
    """λ_0 before the first step."""
    return Multiplier(jnp.float32(initial), jnp.zeros((), jnp.int32))


def ascend(
    multiplier: Multiplier,
    loss: Float[Array, ""],
    *,
    rate: float,
    every: int,
    maximum: float | None = None,
) -> Multiplier:
    """One step: λ ← min(λ + τ L, λ_max) at the steps s, 2 s, ...; else λ as it is.

    Args:
      multiplier: before the step.
      loss: L of the step's batch; no gradient flows through it.
      rate: τ.
      every: s.
      maximum: λ_max; None for the largest float32.

    Returns:
      The multiplier to use in this very step.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import least_action
      >>> multiplier = least_action.initial_multiplier(1.0)
      >>> for _ in range(4):
      ...     multiplier = least_action.ascend(
      ...         multiplier, jnp.float32(0.5), rate=1.0, every=2
      ...     )
      >>> float(multiplier.value)
      2.0
    """
    step = multiplier.step + 1
    raised = multiplier.value + rate * jax.lax.stop_gradient(loss)
    value = jnp.where(step % every == 0, raised, multiplier.value)
    largest = _LARGEST if maximum is None else maximum
    return Multiplier(jnp.minimum(value, jnp.float32(largest)), step)


def check_multiplier(
    *, initial: float, rate: float, every: int, maximum: float | None
) -> None:
    """Refuses a multiplier that is not positive, that falls, or that has no steps.

    Raises:
      ValueError: names the value and what is allowed.
    """
    if not 0 < initial < math.inf:
        raise ValueError(f"initial={initial}; λ_0 must be positive and finite")
    if not 0 <= rate < math.inf:
        raise ValueError(f"rate={rate}; τ must not be negative: λ never falls")
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every={every}; s must be a whole number of at least 1 step")
    if maximum is not None and not initial <= maximum <= _LARGEST:
        raise ValueError(
            f"maximum={maximum}; λ_max must be at least λ_0 = {initial} and a float32"
        )
