"""A network in one file of named arrays: `.safetensors` or `.npz`, never a pickle.

Names become nested dicts. They are split at "/" if one of the file's names has a "/",
otherwise at ".", as PyTorch joins them: `layer1.0.bias` is `["layer1"]["0"]["bias"]`.
bfloat16 needs no PyTorch: JAX has taught it to NumPy.
"""

from collections.abc import Callable, Iterable

import jax
import numpy as np

from cmd_jax import files, trees
from cmd_jax.files import Path
from cmd_jax.types import Params, PyTree


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


def write_safetensors(
    path: Path | str, params: Params, metadata: dict[str, str]
) -> None:
    """Writes a network as one `.safetensors` file, atomically.

    Args:
      path: the file; its folder is made where it does not exist.
      params: any pytree of arrays. A tensor is named by its leaf's path, joined by "/".
      metadata: texts for the file's header.

    Example:
      >>> import pathlib, tempfile
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory, write_safetensors
      >>> folder = pathlib.Path(tempfile.mkdtemp())
      >>> params = {"dense": {"bias": np.ones(2, np.float32)}}
      >>> write_safetensors(folder / "seed_0.safetensors", params, {"step": "10"})
      >>> Trajectory.open(folder)[0]["dense"]["bias"].tolist()
      [1.0, 1.0]
    """
    from safetensors.numpy import save

    leaves = [np.asarray(leaf, order="C") for leaf in jax.tree.leaves(params)]
    arrays = dict(zip(trees.leaf_names(params), leaves, strict=True))
    files.write_atomic(Path(path), save(arrays, metadata))


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
