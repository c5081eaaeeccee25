"""One record in one file of named arrays: `.safetensors` or `.npz`, never a pickle.

Names become nested dicts. They are split at "/" if one of the file's names has a "/",
otherwise at ".", as PyTorch joins them: `layer1.0.bias` is `["layer1"]["0"]["bias"]`.
bfloat16 needs no PyTorch: JAX has taught it to NumPy.
"""

from collections.abc import Callable, Iterable

import numpy as np

from cmd_jax import trees
from cmd_jax.files import Path
from cmd_jax.types import PyTree


def read_safetensors(path: Path, subtree: str | None) -> PyTree:
    """The tensors of a file, or of a part of it, as NumPy arrays in nested dicts.

    Raises:
      ValueError: the file is damaged or none, or has no such part.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return _nest(file.keys(), file.get_tensor, subtree)
    except Exception as error:  # of the file format's own kind, or of NumPy
        raise _unreadable(path, error) from error


def read_npz(path: Path, subtree: str | None) -> PyTree:
    """The arrays of an archive, or of a part of it, in nested dicts.

    Raises:
      ValueError: the file is damaged or none, has no such part, or holds objects that
        only a pickle could hold.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return _nest(archive.keys(), archive.__getitem__, subtree)
    except Exception as error:  # of zipfile, zlib or NumPy
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read: {error}. Save it again, or move it out of the folder"
    )


def _nest(
    names: Iterable[str], read: Callable[[str], np.ndarray], subtree: str | None
) -> PyTree:
    names = list(names)
    separator = "/" if any("/" in name for name in names) else "."
    paths = [name.replace(separator, "/") for name in names]
    tree: PyTree = {}
    for number in trees.leaves_within(paths, subtree):
        *parents, last = paths[number].split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if not isinstance(node, dict) or last in node:
            raise ValueError(f"{names[number]!r} is below another array, or above one")
        node[last] = read(names[number])
    for name in subtree.split("/") if subtree else ():
        tree = tree[name]
    return tree
