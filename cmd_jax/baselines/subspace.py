"""The subspace of a recorded run, and training inside it: DLDR's reduced model.

The first records of a run span a subspace of weight space. Its orthonormal directions V
are the principal components of the records, from their T×T Gram matrix, and what is
trained are the coordinates z of a network

    θ = θ_0 + Σ_k z_k v_k

around the first record. P-SGD is SGD on z, P-BFGS is `bfgs` on z (Li et al., §4).

References:
  T. Li et al., "Low Dimensional Trajectory Hypothesis is True: DNNs Can Be Trained in
  Tiny Subspaces", TPAMI 2022.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64

from cmd_jax import trees
from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.trajectory.gram import combine_records, gram_matrix
from cmd_jax.types import Array, ArrayLike, Key, Params, PyTree

_RANK = 1e-14  # of the largest variance: less is rounding


class Subspace(NamedTuple):
    """Networks around an origin, along a few directions.

    Attributes:
      origin: parameters: the first record.
      directions: leaves [directions, *leaf], orthonormal over all weights.
      explained: the share of the records' variance along each direction.
    """

    origin: Params
    directions: PyTree
    explained: Float64[ArrayLike, " directions"]

    def at(self, coordinates: Float[ArrayLike, " directions"]) -> Params:
        """The network at a place."""

        def move(origin: Any, directions: Any) -> Any:
            if not trees.is_float(origin):
                return origin
            highest = jax.lax.Precision.HIGHEST
            moved = jnp.tensordot(coordinates, directions, axes=1, precision=highest)
            return origin + moved.astype(origin.dtype)

        return jax.tree.map(move, self.origin, self.directions)


def principal_subspace(
    trajectory: AnyTrajectory, *, num_directions: int, mask: PyTree = None
) -> Subspace:
    """The principal directions of a run's records, around the first of them.

    Reads the trajectory twice, block by block.

    Args:
      trajectory: at least 2 records, in memory or stored, the initialisation first.
      num_directions: at most the records less one.
      mask: a pytree prefix of bools, True where leaves count; None for all. Leaves left
        out, and those not of floating point, stay as in the first record.

    Raises:
      ValueError: more directions than the records span; a record is not finite.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import baselines
      >>> from cmd_jax.trajectory import Trajectory
      >>> walk = np.array([[1, 5], [2, 5], [4, 5]], np.float32)
      >>> subspace = baselines.principal_subspace(
      ...     Trajectory(walk, np.arange(3)), num_directions=1
      ... )
      >>> subspace.at(np.array([2.0], np.float32)).tolist()
      [3.0, 5.0]
    """
    most = len(trajectory) - 1
    if not 1 <= num_directions <= most:
        raise ValueError(
            f"num_directions is {num_directions}; allowed are 1 to {most}: "
            f"{len(trajectory)} records span no more"
        )
    leaves = modelled_leaves(trajectory.template, mask)
    gram = gram_matrix(trajectory, leaves)
    squares, vectors = np.linalg.eigh(gram)
    squares, vectors = squares[::-1][:num_directions], vectors[:, ::-1]
    rank = int((squares > _RANK * squares[0]).sum())
    if rank < num_directions:
        raise ValueError(
            f"num_directions is {num_directions}; the records span {rank} directions "
            "only. Ask for fewer, or record more"
        )
    vectors = vectors[:, :num_directions]
    vectors = vectors * np.where(vectors[-1] < vectors[0], -1, 1)
    rows = (vectors / np.sqrt(squares)).T
    _, directions = combine_records(trajectory, leaves, rows)
    return Subspace(trajectory[0], directions, squares / np.trace(gram))


class RestrictedState(NamedTuple):
    """The state of a restricted objective.

    Attributes:
      inner: the objective's own.
      subspace: here and in no closure, for compiled programs hold no large constants.
    """

    inner: PyTree
    subspace: Subspace


Objective = Callable[[Any, Any, Any, Key], tuple[Array, tuple[Any, dict[str, Any]]]]


def restrict(objective: Objective) -> Objective:
    """The objective as a function of the coordinates in a subspace.

    Args:
      objective: (params, state, batch, key) -> (loss, (state, aux)).

    Returns:
      An objective of coordinates [directions] whose state is a `RestrictedState`. Its
      gradient is the projection of the network's gradient on the directions.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> def square(params, state, batch, key):
      ...     return (params**2).sum(), (state, {"metrics": {}})
      >>> subspace = baselines.Subspace(
      ...     jnp.array([1.0, 2.0]), jnp.array([[0.0, 1.0]]), jnp.ones(1)
      ... )
      >>> gradient = jax.grad(baselines.restrict(square), has_aux=True)
      >>> state = baselines.RestrictedState(None, subspace)
      >>> gradient(jnp.zeros(1), state, None, jax.random.key(0))[0].tolist()
      [4.0]
    """

    def restricted(
        coordinates: Array, state: RestrictedState, batch: Any, key: Key
    ) -> tuple[Array, tuple[RestrictedState, dict[str, Any]]]:
        params = state.subspace.at(coordinates)
        loss, (inner, aux) = objective(params, state.inner, batch, key)
        return loss, (state._replace(inner=inner), aux)

    return restricted
