"""Online CMD: the fit of a decomposition, continued record by record.

Clusters, references and assignment stay what they were; slope and intercept follow by
Welford's recursion (arXiv 2312.13247, §3.2, whose own one diverges in float32). For the
record w(t) and the references r(t) in it, all relative to the first fitted record, with
the mode c(i) of weight i and a forgetting factor λ,

    n  <- λ n + 1
    δ   = r - r̄            r̄   <- r̄ + δ / n            S   <- λ S + δ (r - r̄)
    μ_i <- μ_i + (w_i - μ_i) / n      C_i <- λ C_i + δ_c(i) (w_i - μ_i)
    ŵ_i = μ_i + C_i / S_c(i) (r_c(i) - r̄_c(i))

where S and C are updated with the new means. So ŵ_i is a weighted mean of the records,
with one set of weights for each mode; the plain mean if the reference stands still.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from cmd_jax import trees
from cmd_jax.modes.decomposition import Decomposition
from cmd_jax.modes.online_references import (
    OnlineReferences,
    follow,
    locate_references,
    write,
)
from cmd_jax.trajectory import Estimator, check_params
from cmd_jax.trajectory.estimator import motion, place_beside, place_like
from cmd_jax.types import Array, Params, PyTree


class OnlineState(NamedTuple):
    """All that online CMD knows: 13 bytes for each weight of a float32 network.

    Attributes:
      num_records: n, the effective number of records.
      forgetting: λ.
      references: the reference weights.
      origin: the first fitted record; in carried leaves the last record.
      labels: c, uint8; None in carried leaves, like `moments`.
      moments: the mean μ, minus `origin`, and as the imaginary part the covariance C;
        the slope is C / S. XLA CPU compiles a loop for each array that it returns: with
        two arrays an update would take nearly twice as long.
    """

    num_records: Float32[Array, "*seeds"]
    forgetting: Float32[Array, "*seeds"]
    references: OnlineReferences
    origin: PyTree
    labels: PyTree
    moments: PyTree


def online(decomposition: Decomposition, *, forgetting: float = 1.0) -> Estimator:
    """Online CMD: continues the fit of a decomposition with each new record.

    It keeps no history. After any number of updates the estimate is the least-squares
    fit over all records, those of the decomposition included, to rounding. Weights
    that had not moved are fitted like all others from their first motion on. Leaves
    that are not modelled are carried.

    Args:
      decomposition: of the records so far, from `decompose` by any method.
      forgetting: λ, above 0, at most 1. Each update multiplies the weight of all
        earlier records by it; 1 forgets nothing.

    Returns:
      An estimator. `init(params)` looks at the structure, dtypes and devices of the
      parameters only; the estimate is then `reconstruct(decomposition)`. `update` and
      `params` are the same functions for all decompositions: everything is in the
      state, a pytree, also λ.

    Raises:
      ValueError: a `forgetting` that is not allowed.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> walk = np.array([[0.0, 5.0], [1.0, 3.0], [3.0, -1.0]], np.float32)
      >>> fit = modes.decompose(
      ...     Trajectory(walk, np.arange(3)),
      ...     num_modes=1,
      ...     num_samples=2,
      ...     key=jax.random.key(0),
      ... )
      >>> estimator = modes.online(fit)
      >>> state = estimator.init(walk[-1])
      >>> state = estimator.update(state, np.array([2.0, 1.0], np.float32))
      >>> np.asarray(estimator.params(state)).round(3).tolist()
      [2.0, 1.0]

    References:
      J. Brokman et al., "Enhancing Neural Training via a Correlated Dynamics Model",
      ICLR 2024. B. P. Welford, "Note on a Method for Calculating Corrected Sums of
      Squares and Products", Technometrics 1962.
    """
    check_forgetting(forgetting)

    def init(params: Params) -> OnlineState:
        check_params(params, like=decomposition.template)
        return _initial_state(decomposition, forgetting, params)

    return Estimator(init, _update, _params)


def check_forgetting(forgetting: float) -> None:
    """Raises a ValueError unless it is a forgetting factor."""
    if not 0 < forgetting <= 1:
        raise ValueError(
            f"forgetting is {forgetting}; allowed are numbers above 0 and at most 1, "
            "which forgets nothing"
        )


def _initial_state(
    decomposition: Decomposition, forgetting: float, params: Params
) -> OnlineState:
    """The decomposition's numbers, copied to where the parameters are."""
    references = locate_references(
        decomposition.references,
        decomposition.reference_history,
        decomposition.template,
    )
    carried = decomposition.carried
    structure = jax.tree.structure(decomposition.template)
    names = structure.unflatten(trees.leaf_names(decomposition.template))

    def place(name: str, value: Any, like: Any) -> Any:
        return None if name in carried else place_like(value, like)

    def start(name: str, value: Any, like: Any) -> Any:
        return place_like(np.asarray(carried.get(name, value), like.dtype), like)

    def pair(mean: Any, slope: Any, labels: Any) -> Any:
        return mean + np.complex64(1j) * (slope * references.spread[labels])

    moments = jax.tree.map(
        pair, decomposition.mean, decomposition.slope, decomposition.labels
    )
    return OnlineState(
        num_records=place_beside(np.float32(len(decomposition.steps)), params),
        forgetting=place_beside(np.float32(forgetting), params),
        references=place_beside(references, params),
        origin=jax.tree.map(start, names, decomposition.origin, params),
        labels=jax.tree.map(place, names, decomposition.labels, params),
        moments=jax.tree.map(place, names, moments, params),
    )


def _update(state: OnlineState, params: Params) -> OnlineState:
    """One step of Welford's recursion."""
    check_params(params, like=state.origin)
    forgetting, n = state.forgetting, state.forgetting * state.num_records + 1
    references, delta = follow(state.references, params, n, forgetting)

    def new_moments(leaf: Any, origin: Any, labels: Any, moments: Any) -> Any:
        if labels is None:
            return None
        moved = motion(leaf, origin).astype(jnp.float32)
        mean = moments.real + (moved - moments.real) / n
        covariance = forgetting * moments.imag + delta[labels] * (moved - mean)
        return jax.lax.complex(mean, covariance)

    def new_origin(leaf: Any, origin: Any, labels: Any) -> Any:
        return leaf if labels is None else origin

    moments = jax.tree.map(
        new_moments, params, state.origin, state.labels, state.moments
    )
    origin = jax.tree.map(new_origin, params, state.origin, state.labels)
    return OnlineState(n, forgetting, references, origin, state.labels, moments)


def _params(state: OnlineState) -> Params:
    """What the modes give at the last record; the references are exact."""
    references = state.references
    moves = references.spread > 0
    spread = jnp.where(moves, references.spread, 1)
    factor = jnp.where(moves, references.shift / spread, 0)

    def estimate(origin: Any, labels: Any, moments: Any) -> Any:
        if labels is None:
            return origin
        moved = moments.real + moments.imag * factor[labels]
        return (origin + moved).astype(origin.dtype)

    params = jax.tree.map(estimate, state.origin, state.labels, state.moments)
    return write(references, params)
