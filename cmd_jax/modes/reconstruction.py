"""Parameters from a decomposition: step 8 of CMD (arXiv 2312.13247, eq. 2)."""

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import trees
from cmd_jax.modes.decomposition import Decomposition
from cmd_jax.types import Params

_FOLLOWED = ("labels", "slope", "mean", "origin")


def reconstruct(decomposition: Decomposition, *, record: int = -1) -> Params:
    """The parameters that the modes give at a record: a_i r_c(i)(t) + b_i.

    Computed relative to the first record, which loses nothing where weights are much
    larger than their motion. References and weights that never moved come back exactly;
    carried leaves are those of the last record.

    Args:
      decomposition: what `decompose` returned.
      record: which of its records; negative ones count from the end.

    Returns:
      Parameters in the structure and dtypes of the trajectory.

    Raises:
      ValueError: there is no such record.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> line = np.array([[0.0, 5.0], [1.0, 3.0], [3.0, -1.0]], np.float32)
      >>> fit = modes.decompose(
      ...     Trajectory(line, np.arange(3)),
      ...     num_modes=1,
      ...     num_samples=2,
      ...     key=jax.random.key(0),
      ... )
      >>> np.asarray(modes.reconstruct(fit, record=1)).round(3).tolist()
      [1.0, 3.0]
    """
    num_records = len(decomposition.reference_history)
    if not -num_records <= record < num_records:
        raise ValueError(
            f"record is {record}; allowed are {-num_records} to {num_records - 1}"
        )
    history = decomposition.reference_history.astype(np.float64)
    shift = (history[record] - history.mean(axis=0)).astype(np.float32)
    columns = (jax.tree.leaves(getattr(decomposition, name)) for name in _FOLLOWED)
    names = trees.leaf_names(decomposition.template)
    leaves, structure = jax.tree.flatten(decomposition.template)
    params = [
        np.array(decomposition.carried[name])
        if name in decomposition.carried
        else _follow(shift, *column).astype(leaf.dtype)
        for name, leaf, *column in zip(names, leaves, *columns, strict=True)
    ]
    _set_references(params, decomposition, record)
    return jax.tree.map(jnp.asarray, structure.unflatten(params))


def _follow(
    shift: np.ndarray,
    labels: np.ndarray,
    slope: np.ndarray,
    mean: np.ndarray,
    origin: np.ndarray,
) -> np.ndarray:
    return origin + (mean + slope * shift[labels])


def _set_references(
    params: list[np.ndarray], decomposition: Decomposition, record: int
) -> None:
    """Writes the references' own values, which rounding may have missed by one ulp."""
    values = decomposition.reference_history[record]
    leaf, offset = trees.locate(decomposition.references, trees.leaf_sizes(params))
    for number, place, value in zip(leaf, offset, values, strict=True):
        params[number].flat[place] = value
