"""Where each leaf of a network lies in a record, and its description in JSON.

A record holds the recorded leaves one after the other, each raveled in C order and
starting at a multiple of 64 bytes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import trees
from cmd_jax.trajectory.selection import LeafIndex, Select
from cmd_jax.types import Params, PyTree

ALIGNMENT = 64
DTYPES = ("float32", "bfloat16_delta")


class Leaf(NamedTuple):
    """One leaf of the network and its place in a record."""

    path: tuple[tuple[str, Any], ...]
    """(kind, key) from the root; kinds: "key" of a dict, "index" of a list, "other"."""
    shape: tuple[int, ...]
    dtype: str
    stored_shape: tuple[int, ...] | None
    """`shape`, or [k] for k sampled weights, or None for a leaf left out."""
    encoding: str
    """dtype in the record: bfloat16 for deltas, else `dtype`."""
    offset: int
    """Bytes from the start of the record."""

    @property
    def name(self) -> str:
        """The leaf's name, as `trees.leaf_names` gives it."""
        return "/".join(str(key) for _, key in self.path)

    @property
    def size(self) -> int:
        """Scalars in a record."""
        return int(np.prod(self.stored_shape or (), dtype=np.int64))

    @property
    def num_bytes(self) -> int:
        """Bytes in a record, without padding."""
        return self.size * np.dtype(self.encoding).itemsize

    @property
    def is_float(self) -> bool:
        """Whether the leaf holds floating-point numbers."""
        return bool(jnp.issubdtype(np.dtype(self.dtype), jnp.floating))


class Layout(NamedTuple):
    """All leaves of the network in tree order, and the size of a record."""

    dtype: str
    select: Select
    record_bytes: int
    leaves: tuple[Leaf, ...]

    @property
    def recorded(self) -> tuple[Leaf, ...]:
        """The leaves that a record holds."""
        return tuple(leaf for leaf in self.leaves if leaf.stored_shape is not None)


def make_layout(
    like: Params, indices: Sequence[LeafIndex], *, select: Select, dtype: str
) -> Layout:
    """Lays the selected part of the leaves of `like` out in a record.

    Raises:
      TypeError: a leaf holds something else than numbers or bools.
      ValueError: `dtype` is unknown, or there is nothing to record.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r}: allowed are {', '.join(DTYPES)}")
    leaves, end = [], 0
    paths = jax.tree_util.tree_leaves_with_path(like)
    for (path, value), index in zip(paths, indices, strict=True):
        leaf = _leaf(path, value, index, end, as_delta=dtype == "bfloat16_delta")
        leaves.append(leaf)
        end += padded(leaf.num_bytes) if leaf.stored_shape is not None else 0
    if end == 0:
        raise ValueError(f"there is nothing to record in {jax.tree.structure(like)}")
    return Layout(dtype, select, end, tuple(leaves))


def padded(num_bytes: int) -> int:
    """`num_bytes` rounded up to the alignment."""
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT


def _leaf(
    path: Any, value: Any, index: LeafIndex, offset: int, *, as_delta: bool
) -> Leaf:
    shape, dtype = np.shape(value), value_dtype(value)
    keys = tuple(_key(entry) for entry in path)
    if not (jnp.issubdtype(dtype, jnp.number) or dtype == np.bool_):
        name = "/".join(str(key) for _, key in keys)
        raise TypeError(
            f"leaf {name!r} is {dtype}: only numbers and bools are recorded"
        )
    stored = shape if isinstance(index, slice) else None
    stored = (len(index),) if isinstance(index, np.ndarray) else stored
    is_delta = as_delta and jnp.issubdtype(dtype, jnp.floating)
    encoding = "bfloat16" if is_delta else np.dtype(dtype).name
    return Leaf(keys, shape, np.dtype(dtype).name, stored, encoding, offset)


def value_dtype(value: Any) -> Any:
    """The dtype of an array, a ShapeDtypeStruct or a Python number."""
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def _key(entry: Any) -> tuple[str, Any]:
    if isinstance(entry, jax.tree_util.SequenceKey):
        return "index", entry.idx
    if isinstance(entry, jax.tree_util.DictKey) and type(entry.key) in (str, int):
        return "key", entry.key
    return "other", jax.tree_util.keystr((entry,), simple=True)


def check_leaves(layout: Layout, tree: PyTree, *, source: str, owner: str) -> None:
    """Raises a ValueError unless `tree` has the leaves of the network.

    Args:
      layout: what is expected.
      tree: arrays, or shapes and dtypes.
      source: what `tree` is, for the message.
      owner: whose layout it is, for the message.
    """
    expected = {leaf.name: _describe(leaf.shape, leaf.dtype) for leaf in layout.leaves}
    values = jax.tree.leaves(tree)
    names = trees.leaf_names(tree)
    found = {
        name: _describe(np.shape(value), value_dtype(value))
        for name, value in zip(names, values, strict=True)
    }
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"leaf {name!r} is {found.get(name, 'missing')} in {source} and "
                f"{expected.get(name, 'missing')} in {owner}: they are of different "
                "networks"
            )
    if names != tuple(expected):
        raise ValueError(
            f"the leaves of {source} come in another order than in {owner}: "
            f"{', '.join(names)} and {', '.join(expected)}"
        )


def _describe(shape: Sequence[int], dtype: Any) -> str:
    return f"{np.dtype(dtype).name}{list(shape)}"


def rebuild(layout: Layout) -> PyTree:
    """The tree of all leaves, from their paths: dicts and lists (tuples become lists).

    Returns:
      The nested containers, with the numbers of the leaves in place of the leaves.

    Raises:
      ValueError: the network has other nodes than dicts, lists and tuples.
    """
    numbered = [(leaf.path, number) for number, leaf in enumerate(layout.leaves)]
    tree = _nest(numbered)
    if jax.tree.leaves(tree) != list(range(len(numbered))):
        raise ValueError("the order of the leaves is not that of plain dicts")
    return tree


def _nest(items: list[tuple[tuple[tuple[str, Any], ...], int]]) -> PyTree:
    if items[0][0] == ():
        return items[0][1]
    groups: dict[Any, list[Any]] = {}
    for (key, *rest), number in items:
        groups.setdefault(key, []).append((tuple(rest), number))
    kinds, keys = {kind for kind, _ in groups}, [key for _, key in groups]
    if kinds == {"key"}:
        return {key: _nest(group) for (_, key), group in groups.items()}
    if kinds == {"index"} and keys == list(range(len(keys))):
        return [_nest(group) for group in groups.values()]
    raise ValueError(f"the node with children {keys} is no dict, list or tuple")


def layout_to_json(layout: Layout) -> dict[str, Any]:
    """The layout as JSON values."""
    return {**layout._asdict(), "leaves": [leaf._asdict() for leaf in layout.leaves]}


def layout_from_json(value: dict[str, Any]) -> Layout:
    """The inverse of `layout_to_json`."""
    leaves = []
    for leaf in value["leaves"]:
        stored = leaf["stored_shape"]
        leaves.append(
            Leaf(
                path=tuple((kind, key) for kind, key in leaf["path"]),
                shape=tuple(leaf["shape"]),
                dtype=leaf["dtype"],
                stored_shape=None if stored is None else tuple(stored),
                encoding=leaf["encoding"],
                offset=leaf["offset"],
            )
        )
    fields = {name: value[name] for name in ("dtype", "select", "record_bytes")}
    return Layout(**fields, leaves=tuple(leaves))
