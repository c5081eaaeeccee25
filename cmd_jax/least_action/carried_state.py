"""A network whose state has the multiplier in it, for what trains and tests networks.

Training keeps one state beside the parameters and tests the network with it. Here the
network takes the state of the regularised objective for its own, so the multiplier is
saved, resumed and copied to every device like BatchNorm's statistics.
"""

from collections.abc import Callable
from typing import Any

from cmd_jax.least_action.regularization import InitState, LeastActionState
from cmd_jax.models import Network
from cmd_jax.types import Array, Key, Params, PyTree


def carry_state(network: Network, init_state: InitState) -> Network:
    """The network, taking the state of a regularised objective for its own.

    Args:
      network: the one that the objective was made of.
      init_state: from `regularize`.

    Returns:
      A network whose functions leave the multiplier as it is.
    """

    def init(key: Key, inputs: Array) -> tuple[Params, PyTree]:
        params, state = network.init(key, inputs)
        return params, init_state(state)

    return network._replace(
        init=init,
        apply=_of_inner(network.apply),
        flow=network.flow and _of_inner(network.flow),
        update_statistics=network.update_statistics
        and _updating_inner(network.update_statistics),
    )


def inner_state(state: PyTree) -> PyTree:
    """The state of the objective that was regularised; with a fixed weight the same."""
    return state.inner if isinstance(state, LeastActionState) else state


def _of_inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(params, state, ...) -> (output, state, ...)` of the inner state."""

    def call(params: Params, state: PyTree, *inputs: Any, **options: Any) -> Any:
        output, inner, *more = function(params, inner_state(state), *inputs, **options)
        return output, _with_inner(state, inner), *more

    return call


def _updating_inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(params, state, ...) -> state` of the inner state."""

    def call(params: Params, state: PyTree, *inputs: Any, **options: Any) -> Any:
        inner = function(params, inner_state(state), *inputs, **options)
        return _with_inner(state, inner)

    return call


def _with_inner(state: PyTree, inner: PyTree) -> PyTree:
    if isinstance(state, LeastActionState):
        return state._replace(inner=inner)
    return inner
