"""What a record holds: every leaf, the leaves of a pattern, or a sample of weights.

For each leaf of the network a selection has an index into the raveled leaf: a full
slice, an array of sampled offsets, or None where the leaf is left out.
"""

import fnmatch
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int64

from cmd_jax import rng, trees
from cmd_jax.types import Key, Params

Select = str | int | None
"""A pattern over the names of leaves, a number of sampled weights, or None: all."""

LeafIndex = slice | np.ndarray | None
"""Which scalars of one raveled leaf are recorded; None: the leaf is left out."""


def sample_coordinates(
    like: Params, num_coordinates: int, *, key: Key | None
) -> Int64[np.ndarray, " samples"]:
    """Draws distinct flat coordinates, uniformly over all float weights, sorted.

    Raises:
      ValueError: fewer than one coordinate, more than there are float weights, or no
        key.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax.trajectory.selection import sample_coordinates
      >>> params = {"counter": np.arange(2), "kernel": np.zeros(3, np.float32)}
      >>> sample_coordinates(params, 3, key=jax.random.key(0)).tolist()
      [2, 3, 4]
    """
    sizes = trees.leaf_sizes(like)
    starts = np.cumsum(sizes) - sizes
    is_float = np.array([trees.is_float(leaf) for leaf in jax.tree.leaves(like)])
    num_weights = int(sizes[is_float].sum())
    if not 1 <= num_coordinates <= num_weights:
        raise ValueError(
            f"select={num_coordinates}: a sample has at least 1 and at most the "
            f"{num_weights} float weights of the network"
        )
    if key is None:
        raise ValueError(f"select={num_coordinates} draws a sample: pass key")
    drawn = rng.generator(key).choice(
        num_weights, num_coordinates, replace=False, shuffle=False
    )
    leaf, offset = trees.locate(np.sort(drawn), sizes[is_float])
    return starts[is_float][leaf] + offset


def leaf_indices(
    like: Params, select: Select, coordinates: np.ndarray | None = None
) -> tuple[LeafIndex, ...]:
    """The recorded part of each leaf of `like`, in tree order.

    Args:
      like: the parameters, or their shapes and dtypes.
      select: None for all leaves; a glob pattern over the leaves' names, whose "*" also
        spans "/" ("*/kernel"); or the number of sampled weights.
      coordinates: the sampled flat coordinates, sorted; for a number only.

    Raises:
      ValueError: no leaf matches the pattern.

    Example:
      >>> from cmd_jax.trajectory.selection import leaf_indices
      >>> leaf_indices({"bias": 0.0, "kernel": 1.0}, "k*")
      (None, slice(None, None, None))
    """
    names = trees.leaf_names(like)
    if coordinates is not None:
        return tuple(split_coordinates(coordinates, trees.leaf_sizes(like)))
    if select is None:
        return (slice(None),) * len(names)
    matches = [fnmatch.fnmatchcase(name, str(select)) for name in names]
    if not any(matches):
        raise ValueError(f"select={select!r} matches none of {', '.join(names)}")
    return tuple(slice(None) if match else None for match in matches)


def split_coordinates(
    coordinates: Int64[np.ndarray, " samples"], sizes: Sequence[int] | np.ndarray
) -> list[np.ndarray | None]:
    """The offsets in each raveled leaf of sorted flat coordinates; None where none are.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory.selection import split_coordinates
      >>> split_coordinates(np.array([4, 5]), [3, 3])
      [None, array([1, 2])]
    """
    leaf, offset = trees.locate(coordinates, sizes)
    parts = [offset[leaf == number] for number in range(len(sizes))]
    return [part if part.size else None for part in parts]


def validate_select(select: Any) -> None:
    """Raises TypeError unless `select` is None, a string or an integer."""
    if isinstance(select, bool) or not isinstance(select, Select):
        raise TypeError(
            f"select={select!r}: allowed are None (all leaves), a pattern such as "
            "'*/kernel', and a number of sampled weights"
        )
