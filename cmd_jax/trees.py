"""Pytrees of parameters: names of leaves, masks by prefix, flat coordinates.

A *flat coordinate* is a position in the concatenation of all leaves in tree order, each
raveled in C order: the order of `jax.flatten_util.ravel_pytree`. Arithmetic on trees is
`optax.tree`'s.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax.spelling import did_you_mean
from cmd_jax.types import PyTree


def leaf_names(tree: PyTree) -> tuple[str, ...]:
    """Names of the leaves in tree order, path components joined by "/".

    Example:
      >>> from cmd_jax.trees import leaf_names
      >>> leaf_names({"dense": {"bias": 0.0, "kernel": 1.0}})
      ('dense/bias', 'dense/kernel')
    """
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return tuple(jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in paths)


def leaves_within(names: Sequence[str], subtree: str | None) -> list[int]:
    """Positions of the leaves in the part of a tree that a path such as "params" names.

    Args:
      names: the names of the tree's leaves, as `leaf_names` gives them.
      subtree: path components joined by "/"; None for the whole tree.

    Raises:
      ValueError: there is no such part; the message lists what is at the top.

    Example:
      >>> from cmd_jax.trees import leaves_within
      >>> leaves_within(["opt_state/0/mu/w", "params/b", "params/w"], "params")
      [1, 2]
    """
    if subtree is None:
        return list(range(len(names)))
    found = [n for n, name in enumerate(names) if f"{name}/".startswith(f"{subtree}/")]
    if not found:
        top = list(dict.fromkeys(name.split("/")[0] for name in names))
        raise ValueError(
            f"there is no subtree {subtree!r}{did_you_mean(subtree, top)}; at the top "
            f"are {', '.join(top)}"
        )
    return found


def leaf_sizes(tree: PyTree) -> np.ndarray:
    """Number of scalars of each leaf, in tree order (int64)."""
    return np.array([np.prod(np.shape(x)) for x in jax.tree.leaves(tree)], np.int64)


def count(tree: PyTree) -> int:
    """Number of scalars in all leaves.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax.trees import count
      >>> count({"bias": jnp.zeros(3), "kernel": jnp.zeros((2, 3))})
      9
    """
    return int(leaf_sizes(tree).sum())


def is_float(leaf: PyTree) -> bool:
    """Whether a leaf (an array or a ShapeDtypeStruct) holds floating-point numbers."""
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


def broadcast_mask(mask: PyTree, tree: PyTree) -> tuple[bool, ...]:
    """One bool per leaf of `tree` from a pytree prefix of bools; None selects all.

    Raises:
      ValueError: `mask` is no prefix of `tree`, or holds something else than bools.

    Example:
      >>> from cmd_jax.trees import broadcast_mask
      >>> broadcast_mask({"a": True, "b": False}, {"a": {"x": 0, "y": 1}, "b": 2})
      (True, True, False)
    """
    if mask is None:
        return (True,) * len(jax.tree.leaves(tree))
    try:
        flags = jax.tree.leaves(jax.tree.broadcast(mask, tree))
    except ValueError as error:
        raise ValueError(
            "mask is not a pytree prefix of the parameters: "
            f"{error}. Its leaves are bools, one for each subtree to model or leave out"
        ) from error
    if bad := [flag for flag in flags if not isinstance(flag, bool | np.bool_)]:
        raise ValueError(f"mask holds {bad[0]!r}; allowed are True and False")
    return tuple(bool(flag) for flag in flags)


def locate(
    coordinates: Sequence[int] | np.ndarray, sizes: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Splits flat coordinates into (leaf number, offset in the raveled leaf).

    Args:
      coordinates: int array of flat coordinates.
      sizes: the leaves' sizes, as `leaf_sizes` gives them.

    Example:
      >>> from cmd_jax.trees import locate
      >>> [x.tolist() for x in locate([0, 3, 4], [3, 2])]
      [[0, 1, 1], [0, 0, 1]]
    """
    coordinates = np.asarray(coordinates, np.int64)
    ends = np.cumsum(np.asarray(sizes, np.int64))
    leaf = np.searchsorted(ends, coordinates, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    return leaf, coordinates - starts[leaf]
