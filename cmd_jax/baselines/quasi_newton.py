"""BFGS over mini-batches, with a backtracking line search, as an Optax transformation.

With the gradient g and the estimate H of the inverse Hessian, each step searches along
p = -H g for the first length t = 1, ρ, ρ², ... that satisfies Armijo's condition

    f(z + t p) <= f(z) + σ t g·p

on its own batch. Between the batches H is kept and updated as if they were one
objective: s is the last step, y the difference of the gradients of the two batches,

    H <- (I - s y'/y·s) H (I - y s'/y·s) + s s'/y·s     where y·s > 1e-20

(Li et al., §4). A step that no trial satisfies is not taken: the release of the method
takes the last, tiny one. The vector z is small, H is a matrix.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float, Int32

from cmd_jax.types import Array

_MIN_CURVATURE = 1e-20


class BFGSState(NamedTuple):
    """The memory of `bfgs`, and how its line searches went.

    Attributes:
      inverse_hessian: H.
      gradient: of the last batch.
      step: the last step taken; 0 where no trial satisfied.
      num_steps: how many line searches there were.
      num_taken: how many of them ended in a step.
      num_trials: evaluations of the objective in all of them.
      last_taken: the number of the last search that ended in a step, from 0; -1 before.
    """

    inverse_hessian: Float[Array, "*seeds directions directions"]
    gradient: Float[Array, "*seeds directions"]
    step: Float[Array, "*seeds directions"]
    num_steps: Int32[Array, "*seeds"]
    num_taken: Int32[Array, "*seeds"]
    num_trials: Int32[Array, "*seeds"]
    last_taken: Int32[Array, "*seeds"]


class _Search(NamedTuple):
    trial: Int32[Array, ""]
    length: Float[Array, ""]
    satisfied: Bool[Array, ""]


def bfgs(
    *, sufficient_decrease: float = 0.4, backtracking: float = 0.4, max_trials: int = 20
) -> optax.GradientTransformationExtraArgs:
    """Quasi-Newton steps for a small vector of parameters.

    Its `update` needs the batch's loss as `value` and its function as `value_fn`, as
    Optax's own line searches do.

    Args:
      sufficient_decrease: σ of Armijo's condition, above 0 and below 1.
      backtracking: ρ, above 0 and below 1.
      max_trials: of a line search, at least 1; where none satisfies, no step is taken.

    Raises:
      ValueError: a number that is not allowed.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> def loss(z):
      ...     return ((z - jnp.array([3.0, -1.0])) ** 2 * jnp.array([1.0, 9.0])).sum()
      >>> optimizer, z = baselines.bfgs(), jnp.zeros(2)
      >>> state = optimizer.init(z)
      >>> for _ in range(12):
      ...     value, gradient = jax.value_and_grad(loss)(z)
      ...     step, state = optimizer.update(
      ...         gradient, state, z, value=value, value_fn=loss
      ...     )
      ...     z = z + step
      >>> [round(x, 3) for x in z.tolist()]
      [3.0, -1.0]

    References:
      J. Nocedal and S. Wright, "Numerical Optimization", 2006, chapters 3 and 6.
    """
    for name, share in (
        ("sufficient_decrease", sufficient_decrease),
        ("backtracking", backtracking),
    ):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}; allowed are numbers between 0 and 1")
    if max_trials < 1:
        raise ValueError(f"max_trials is {max_trials}; allowed are 1 and up")

    def init(params: Float[Array, " directions"]) -> BFGSState:
        identity = jnp.eye(params.size, dtype=params.dtype)
        nothing = (jnp.zeros_like(params) for _ in range(2))
        return BFGSState(identity, *nothing, *map(jnp.int32, (0, 0, 0, -1)))

    def update(
        updates: Array,
        state: BFGSState,
        params: Any = None,
        *,
        value: Any,
        value_fn: Any,
        **_: Any,
    ) -> tuple[Array, BFGSState]:
        hessian = _updated(state, updates)
        direction = -jnp.matmul(hessian, updates, precision=jax.lax.Precision.HIGHEST)
        descent = updates @ direction

        def search(found: _Search) -> _Search:
            length = jnp.where(found.trial == 0, 1.0, backtracking * found.length)
            bound = value + sufficient_decrease * length * descent
            lower = value_fn(params + length * direction) <= bound
            return _Search(found.trial + 1, length, lower & (descent < 0))

        found = jax.lax.while_loop(
            lambda found: ~found.satisfied & (found.trial < max_trials),
            search,
            _Search(jnp.int32(0), jnp.ones_like(descent), jnp.bool_(False)),
        )
        step = jnp.where(found.satisfied, found.length * direction, 0)
        return step, BFGSState(
            inverse_hessian=hessian,
            gradient=updates,
            step=step,
            num_steps=state.num_steps + 1,
            num_taken=state.num_taken + found.satisfied,
            num_trials=state.num_trials + found.trial,
            last_taken=jnp.where(found.satisfied, state.num_steps, state.last_taken),
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _updated(state: BFGSState, gradient: Array) -> Array:
    """H with the last step; unchanged where it has no positive curvature."""
    step, change = state.step, gradient - state.gradient
    curvature = change @ step
    known = curvature > _MIN_CURVATURE
    rate = jnp.where(known, 1 / jnp.where(known, curvature, 1), 0)
    highest = jax.lax.Precision.HIGHEST
    across = jnp.eye(step.size, dtype=step.dtype) - rate * jnp.outer(step, change)
    hessian = jnp.matmul(across, state.inverse_hessian, precision=highest)
    hessian = jnp.matmul(hessian, across.T, precision=highest)
    return hessian + rate * jnp.outer(step, step)
