"""The objective of least action: L + C / λ, or L + μ C with a fixed weight.

L + C / λ has the optimum of C + λ L and keeps the scale of the gradient while λ rises
(notes on arXiv 2009.08372).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float

from cmd_jax.least_action.cost import check_reduction, transport_cost
from cmd_jax.least_action.multiplier import (
    Multiplier,
    ascend,
    check_multiplier,
    initial_multiplier,
)
from cmd_jax.train import Objective
from cmd_jax.types import Array, Key, Params, PyTree

InitState = Callable[[PyTree], PyTree]


class LeastActionState(NamedTuple):
    """What the regularised objective carries along; a pytree.

    Attributes:
      inner: the state of the objective that was regularised.
      multiplier: λ.
    """

    inner: PyTree
    multiplier: Multiplier


def regularize(
    objective: Objective,
    *,
    initial: float = 1.0,
    rate: float = 1.0,
    every: int = 1,
    maximum: float | None = None,
    fixed: float | None = None,
    reduction: str = "sum",
) -> tuple[Objective, InitState]:
    """Makes an objective move its data as little as possible.

    Under data parallelism by `jax.jit` the loss that λ rises by is that of the whole
    batch, so λ is the same on every device.

    Args:
      objective: gives the residues v_k in `aux["residues"]`, one array [batch, ...] a
        block; `train.cross_entropy` does for a network that tells of its blocks.
      initial: λ_0, for this reduction: of features summed, D times that of their mean.
      rate: τ, likewise.
      every: s, steps between two changes of λ.
      maximum: λ_max; None for the largest float32.
      fixed: μ, a weight of the transport cost that stays; then there is no λ. With 0
        the objective is the given one, which tells its transport cost.
      reduction: of the features, see `transport_cost`.

    Returns:
      The objective, with `task_loss`, `transport_cost` and `multiplier` among its
      metrics, and `init_state`, which makes its state from that of the given one.

    Raises:
      ValueError: a value that is not allowed; when the objective is called, that there
        is no residue.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import least_action, models, train
      >>> network = models.create("point_resnet", num_classes=2)
      >>> points, labels = jnp.ones((4, 1, 1, 2)), jnp.array([0, 1, 0, 1])
      >>> params, state = network.init(jax.random.key(0), points)
      >>> objective, init_state = least_action.regularize(
      ...     train.cross_entropy(network), initial=0.1, rate=0.1, every=5
      ... )
      >>> batch = {"inputs": points, "labels": labels}
      >>> loss, (state, aux) = objective(
      ...     params, init_state(state), batch, jax.random.key(1)
      ... )
      >>> int(state.multiplier.step), round(float(state.multiplier.value), 3)
      (1, 0.1)

    References:
      Karkar et al., A Principle of Least Action for the Training of Neural Networks,
      ECML-PKDD 2020 (arXiv 2009.08372).
    """
    check_reduction(reduction)
    if fixed is not None:
        return _with_weight(objective, fixed, reduction), lambda state: state
    check_multiplier(initial=initial, rate=rate, every=every, maximum=maximum)

    def regularized(
        params: Params, state: LeastActionState, batch: Any, key: Key
    ) -> tuple[Array, tuple[LeastActionState, dict[str, Any]]]:
        loss, (inner, aux) = objective(params, state.inner, batch, key)
        cost = transport_cost(_residues(aux), reduction=reduction)
        multiplier = ascend(
            state.multiplier, loss, rate=rate, every=every, maximum=maximum
        )
        aux = _tell(aux, loss, cost, multiplier=multiplier.value)
        state = LeastActionState(inner, multiplier)
        return loss + cost / multiplier.value, (state, aux)

    def init_state(state: PyTree) -> LeastActionState:
        return LeastActionState(state, initial_multiplier(initial))

    return regularized, init_state


def _with_weight(objective: Objective, weight: float, reduction: str) -> Objective:
    """L + μ C."""
    if not 0 <= weight < math.inf:
        raise ValueError(f"fixed={weight}; the weight must not be negative")

    def regularized(
        params: Params, state: PyTree, batch: Any, key: Key
    ) -> tuple[Array, tuple[PyTree, dict[str, Any]]]:
        loss, (state, aux) = objective(params, state, batch, key)
        cost = transport_cost(_residues(aux), reduction=reduction)
        aux = _tell(aux, loss, cost)
        return loss + weight * cost if weight else loss, (state, aux)

    return regularized


def _residues(aux: dict[str, Any]) -> Any:
    return aux.get("residues", ())


def _tell(
    aux: dict[str, Any],
    loss: Float[Array, ""],
    cost: Float[Array, ""],
    **more: Float[Array, ""],
) -> dict[str, Any]:
    """The auxiliary outputs with the parts of the loss among the metrics."""
    parts = {"task_loss": loss, "transport_cost": cost, **more}
    return {**aux, "metrics": {**aux.get("metrics", {}), **parts}}
