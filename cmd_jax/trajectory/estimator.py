"""What follows a training run and gives parameters of its own: `Estimator`.

EMA, SWA, LAWA and online CMD are estimators. Here are their common form and what all of
them check.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import NamedSharding

from cmd_jax import host, sharding, trees
from cmd_jax.trajectory.layout import check_leaves, make_layout
from cmd_jax.trajectory.selection import leaf_indices
from cmd_jax.types import Array, Params, PyTree


class Estimator(NamedTuple):
    """Three pure functions that turn the records of a run into parameters.

    As an optimizer of Optax it holds no arrays: these are in a *state*, a pytree whose
    shapes never change, so that the functions can be jitted, mapped over seeds and
    given donated buffers, and the state saved with any checkpoint. It lies on the
    devices as the parameters do. Nothing flows back: training goes as without.

    How often `update` is called is up to the caller; warm-ups and starts of an
    estimator count its updates, from 0. Leaves that are not of floating point are
    carried: they are those of the last update.

    Attributes:
      init: `init(params) -> state`. It counts as no record: before the first update
        the estimate is `params` itself, unless the estimator continues something.
        Call it outside of `jit`, where the parameters' devices are known.
      update: `update(state, params) -> state`, once per record. The order of the
        arguments is that of `jax.lax.scan`.
      params: `params(state) -> params`, in the structure and dtypes of `init`'s.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from cmd_jax import baselines
      >>> average = baselines.swa()
      >>> update = jax.jit(average.update, donate_argnums=0)
      >>> state = average.init({"w": jnp.zeros(2)})
      >>> for value in (1.0, 2.0, 6.0):
      ...     state = update(state, {"w": jnp.full(2, value)})
      >>> average.params(state)["w"].tolist()
      [3.0, 3.0]
    """

    init: Callable[[Params], Any]
    update: Callable[[Any, Params], Any]
    params: Callable[[Any], Params]


def check_params(params: Params, like: PyTree) -> None:
    """Refuses parameters of another network than an estimator follows.

    Looks at no values, so it works under `jit`, where it costs nothing at run time.

    Args:
      params: what `init` or `update` was given.
      like: the parameters that the estimator follows, or their shapes and dtypes.

    Raises:
      ValueError: a leaf is missing or not expected, or has another shape or dtype (the
        message names it), or the node types differ.
      TypeError: a leaf of `like` holds something else than numbers or bools.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.trajectory import check_params
      >>> check_params({"w": jnp.zeros(2)}, {"w": jnp.ones(2)})
    """
    layout = make_layout(like, leaf_indices(like, None), select=None, dtype="float32")
    check_leaves(layout, params, source="the given parameters", owner="the estimator")
    found, expected = jax.tree.structure(params), jax.tree.structure(like)
    if found != expected:
        raise ValueError(
            f"the given parameters have the structure {found}, the estimator follows "
            f"{expected}: give them the same node types"
        )


def check_finite(params: Params, *, source: str = "the parameters") -> None:
    """Refuses parameters that hold a NaN or an infinity.

    Not for use under `jit`, where values are not known. Costs one read of the
    parameters and one fetch of a bool per leaf.

    Args:
      params: any pytree of arrays.
      source: what they are, for the message.

    Raises:
      ValueError: names the first leaf that is not finite.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import check_finite
      >>> check_finite({"w": np.array([1.0, np.nan])}, source="record 3")
      Traceback (most recent call last):
      ValueError: leaf 'w' is not finite in record 3: nothing can be estimated from it
    """
    finite = host.fetch(_are_finite(jax.tree.leaves(params)))
    for name, leaf_is_finite in zip(trees.leaf_names(params), finite, strict=True):
        if not leaf_is_finite:
            raise ValueError(
                f"leaf {name!r} is not finite in {source}: nothing can be estimated "
                "from it"
            )


@jax.jit
def _are_finite(leaves: list[Any]) -> list[Array]:
    return [jnp.isfinite(leaf).all() for leaf in leaves]


def accumulator_dtype(leaf: Any) -> np.dtype:
    """What sums over a leaf are kept in: float32, or the leaf's own if it is wider."""
    return jnp.promote_types(leaf.dtype, jnp.float32)


def motion(params: Any, origin: Any) -> Array:
    """How far a leaf is from an earlier record of it.

    In float32 it is exact where a weight is much larger than it moves, and so are
    means of it: the reason why estimators store an origin.
    """
    dtype = accumulator_dtype(origin)
    return jnp.asarray(params, dtype) - jnp.asarray(origin, dtype)


def place_like(value: Any, leaf: Any) -> Array:
    """A copy of an array of the host, on devices as a leaf of its shape lies."""
    if _is_on_mesh(leaf):
        return sharding.place(np.array(value), leaf.sharding)
    return jnp.array(value)


def place_beside(tree: PyTree, params: Params) -> PyTree:
    """Copies of small arrays of the host on all devices of the parameters."""
    for leaf in jax.tree.leaves(params):
        if _is_on_mesh(leaf):
            return sharding.place(tree, sharding.replicated(leaf.sharding.mesh))
    return jax.tree.map(jnp.array, tree)


def _is_on_mesh(leaf: Any) -> bool:
    is_known = isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer)
    return is_known and isinstance(leaf.sharding, NamedSharding)
