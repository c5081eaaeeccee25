"""Other people's runs: a folder with one checkpoint a record, as a trajectory.

Checkpoints are compressed, or spread over files, so that histories of single weights
cannot be read from them: they are copied once into our time-major store, one record at
a time. `open_any` copies into a temporary place that nobody has to clean up; `convert`
into a folder that is kept.
"""

import dataclasses
import errno
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence

import jax
import numpy as np

from cmd_jax import trees
from cmd_jax.checkpoints import (
    checkpoints_in,
    read_checkpoint,
    read_npz,
    read_safetensors,
)
from cmd_jax.files import Path
from cmd_jax.trajectory import store
from cmd_jax.trajectory.layout import check_leaves, make_layout
from cmd_jax.trajectory.selection import leaf_indices
from cmd_jax.trajectory.stored import StoredTrajectory, open_stored
from cmd_jax.trajectory.writer import TrajectoryWriter, record_bytes
from cmd_jax.types import Params, PyTree

Read = Callable[[Path, str | None], PyTree]


def open_any(
    path: Path, like: Params | None, subtree: str | None, *, verify: bool
) -> StoredTrajectory:
    """Opens a trajectory directory or a folder of checkpoints: `Trajectory.open`."""
    if not path.is_dir() or (path / store.MANIFEST).exists():
        return open_stored(path, like, subtree, verify=verify)
    # The map outlives the files' names: the disk is free again when it is closed.
    with tempfile.TemporaryDirectory(dir=_on_disk(), prefix="cmd_jax_") as scratch:
        copy = Path(scratch) / "trajectory"
        like = _copy(path, copy, like, subtree)
        stored = open_stored(copy, like, None, verify=False)
    return dataclasses.replace(stored, path=path)


def _on_disk() -> str:
    """A place for large temporary files: `/tmp` is often kept in memory."""
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK):
        return "/var/tmp"
    return tempfile.gettempdir()


def convert(
    path: Path | str,
    into: Path | str,
    *,
    like: Params | None = None,
    subtree: str | None = None,
) -> StoredTrajectory:
    """Copies a folder of checkpoints into a trajectory directory that is kept.

    `Trajectory.open` makes such a copy in a temporary place each time; of a large run
    it is worth keeping. At most two records are in memory.

    Args:
      path: the folder, as for `Trajectory.open`.
      into: the directory to make.
      like: as for `Trajectory.open`; give it again when `into` is opened.
      subtree: as for `Trajectory.open`.

    Returns:
      The copy, opened.

    Raises:
      FileExistsError: there is something at `into`.
      FileNotFoundError, OSError, TypeError, ValueError: as `Trajectory.open`; nothing
        is left at `into`.

    Example:
      >>> import pathlib, tempfile
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory, convert
      >>> folder = pathlib.Path(tempfile.mkdtemp())
      >>> for epoch in (2, 10):
      ...     np.savez(folder / f"epoch_{epoch}.npz", bias=np.full(3, epoch))
      >>> trajectory = convert(folder, folder / "trajectory")
      >>> trajectory.steps.tolist(), trajectory[1]["bias"].tolist()
      ([2, 10], [10, 10, 10])
    """
    path, into = Path(path), Path(into)
    if into.exists():
        raise FileExistsError(f"{into} exists already; choose another place")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".") as scratch:
        copy = Path(scratch) / "trajectory"
        like = _copy(path, copy, like, subtree)
        copy.rename(into)
    return open_stored(into, like, None, verify=False)


def _copy(path: Path, into: Path, like: Params | None, subtree: str | None) -> Params:
    """Writes the records of a folder as a trajectory; returns what they look like."""
    paths, read = _find(path)
    owner = "like"
    if like is None:
        like, owner = read(paths[0], subtree), str(paths[0])
    try:
        needed = len(paths) * record_bytes(like)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{owner}: {error}. Pick the arrays by subtree") from error
    _check_space(into.parent, needed)
    writer = TrajectoryWriter.create(into, like)
    for step, record in zip(_steps(paths), paths, strict=True):
        tree = _arrange(read(record, subtree), like, source=str(record), owner=owner)
        writer.append(step, tree)
    return like


def _find(path: Path) -> tuple[list[Path], Read]:
    """The records of a folder in natural order, and what reads one."""
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}")
    if (path / store.MANIFEST).exists():
        raise ValueError(f"{path} is a trajectory already: open it")
    kinds: dict[str, tuple[list[Path], Read]] = {
        "Orbax checkpoints": (checkpoints_in(path), read_checkpoint),
        ".safetensors files": (_files(path, ".safetensors"), read_safetensors),
        ".npz files": (_files(path, ".npz"), read_npz),
    }
    found = {kind: value for kind, value in kinds.items() if value[0]}
    if not found:
        raise ValueError(
            f"{path} is not a trajectory: it is a directory without {store.MANIFEST}, "
            f"and it holds no {', '.join(kinds)}. Pickles (.pt, .pkl) are never read"
        )
    if len(found) > 1:
        raise ValueError(
            f"{path} holds {' and '.join(found)}: move those that are no records of "
            "the run to another folder"
        )
    ((paths, read),) = found.values()
    return sorted(sorted(paths), key=_natural), read


def _files(path: Path, suffix: str) -> list[Path]:
    return [file for file in path.glob(f"*{suffix}") if not file.name.startswith(".")]


def _natural(path: Path) -> list[str | int]:
    """The name as text and numbers in turn, so that `epoch_2` is before `epoch_10`."""
    parts = re.split(r"([0-9]+)", _name(path))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _steps(paths: Sequence[Path]) -> Sequence[int]:
    """The last number of each name where these increase, else 0, 1, 2, ..."""
    numbers = [[int(x) for x in re.findall(r"[0-9]+", _name(path))] for path in paths]
    if all(numbers):
        steps = [found[-1] for found in numbers]
        increase = all(first < second for first, second in itertools.pairwise(steps))
        if increase and steps[-1] <= np.iinfo(np.int64).max:
            return steps
    return range(len(paths))


def _arrange(tree: PyTree, like: Params, *, source: str, owner: str) -> Params:
    """The arrays of `tree` in the structure of `like`, matched by the leaves' names."""
    values = dict(zip(trees.leaf_names(tree), jax.tree.leaves(tree), strict=True))
    names = trees.leaf_names(like)
    if values.keys() == set(names):
        structure = jax.tree.structure(like)
        tree = structure.unflatten([values[name] for name in names])
    layout = make_layout(like, leaf_indices(like, None), select=None, dtype="float32")
    check_leaves(layout, tree, source=source, owner=owner)
    return tree


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"a copy of {needed / 1e9:.1f} GB does not fit into {folder}, which has "
            f"{free / 1e9:.1f} GB free: set TMPDIR to a folder on a larger disk, or "
            "convert() into one",
        )
