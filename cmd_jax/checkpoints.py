"""Checkpoints of a run's state, and other people's: the only file that knows Orbax.

A save is atomic (Orbax writes beside its target and renames) and sealed afterwards by
the checksums of its files, which Orbax does not check itself: without them a flipped
bit gives other numbers. The last two are kept, so that a run survives a checkpoint that
was damaged on the disk.

Other people's checkpoints are read without their structure being known. Whatever API
wrote it, a checkpoint is a folder whose trees ("items") each have a `_METADATA`: the
checkpoint itself, or folders in it such as `default`, `state` and `params`.
"""

import pathlib
import shutil
from typing import Any, NamedTuple

import jax
import numpy as np

from cmd_jax import files, processes, trees
from cmd_jax.types import PyTree

_SEAL = "checksums.json"
_OF_TREE = "_METADATA"  # Orbax's description of a tree, beside its arrays
_OF_CHECKPOINT = "_CHECKPOINT_METADATA"  # and of the save, beside its trees
_UNFINISHED = ".orbax-checkpoint-tmp"  # in the name of what is being written


class DamagedError(ValueError):
    """The files of a checkpoint are not those that were saved; the message has both."""


class Resumed(NamedTuple):
    """The latest good checkpoint.

    Attributes:
      step: its step.
      tree: the pytree that was saved.
      damaged: a message for each later checkpoint, which could not be used.
    """

    step: int
    tree: PyTree
    damaged: tuple[str, ...]


class Checkpoints:
    """A folder of checkpoints, one per step.

    Of several processes all call every method; each saves and restores its own part of
    the arrays in the one folder that they share.

    Args:
      folder: where they lie; made when the first one is saved.
      keep: how many of the latest are kept.

    Example:
      >>> import pathlib, tempfile
      >>> import jax.numpy as jnp
      >>> from cmd_jax.checkpoints import Checkpoints
      >>> checkpoints = Checkpoints(pathlib.Path(tempfile.mkdtemp()) / "checkpoints")
      >>> checkpoints.save(3, {"w": jnp.ones(2)})
      >>> checkpoints.latest()
      3
      >>> float(checkpoints.restore(3, {"w": jnp.zeros(2)})["w"].sum())
      2.0
    """

    def __init__(self, folder: pathlib.Path, keep: int = 2):
        self.folder = pathlib.Path(folder).absolute()
        self._keep = keep
        self._opened: Any = None

    @property
    def _manager(self) -> Any:
        """Orbax is slow to import: only when a checkpoint is read or written."""
        import orbax.checkpoint as ocp

        if self._opened is None:
            options = ocp.CheckpointManagerOptions(
                max_to_keep=self._keep, enable_async_checkpointing=False
            )
            self._opened = ocp.CheckpointManager(
                self.folder,
                options=options,
                item_handlers=ocp.StandardCheckpointHandler(),
            )
        return self._opened

    def latest(self) -> int | None:
        """The step of the latest whole checkpoint, or None."""
        return max(self._steps(), default=None)

    def _steps(self) -> list[int]:
        """The steps whose save was finished: Orbax renamed it, and it is sealed."""
        if not processes.from_primary(self.folder.exists):
            return []
        steps = self._manager.all_steps()
        return processes.from_primary(
            lambda: [step for step in steps if self._seal(step).exists()]
        )

    def _seal(self, step: int) -> pathlib.Path:
        return self.folder / str(step) / _SEAL

    def save(self, step: int, tree: PyTree) -> None:
        """Saves a pytree of arrays; returns when it is on the disk."""
        import orbax.checkpoint as ocp

        self._manager.save(step, args=ocp.args.StandardSave(tree), force=True)
        with processes.together():
            if processes.is_primary():
                folder = self.folder / str(step)
                checksums = {
                    str(path.relative_to(folder)): files.crc32(path)
                    for path in _files_in(folder)
                }
                files.write_sealed_json(self._seal(step), checksums)

    def _verify(self, step: int) -> None:
        """Raises a DamagedError where a file is missing or not as it was saved."""
        damage = processes.from_primary(lambda: self._damage(step))
        if damage is not None:
            raise DamagedError(
                f"checkpoint {self.folder / str(step)} is damaged: {damage}"
            )

    def _damage(self, step: int) -> str | None:
        try:
            for name, checksum in files.read_sealed_json(self._seal(step)).items():
                if files.crc32(self.folder / str(step) / name) != checksum:
                    return f"{name} does not match its checksum"
        except (FileNotFoundError, ValueError) as error:
            return str(error)
        return None

    def resume(self, like: PyTree) -> Resumed | None:
        """Restores the latest good checkpoint, for the one run that goes on saving.

        Later ones that are damaged, and what a kill left of a save, are removed.

        Args:
          like: a pytree of the structure, shapes and dtypes that were saved.

        Returns:
          The checkpoint, or None where no save was ever finished.

        Raises:
          DamagedError: none of those that are left is good.
          ValueError: it has another structure or other shapes than `like`.
        """
        damaged = []
        for step in sorted(self._steps(), reverse=True):
            try:
                tree = self.restore(step, like)
            except DamagedError as error:
                damaged.append(str(error))
                continue
            self._remove_after(step)
            return Resumed(step, tree, tuple(damaged))
        if damaged:
            raise DamagedError(
                f"{'; '.join(damaged)}. No good one is left: pass --overwrite to begin "
                "anew"
            )
        self._remove_after(-1)
        return None

    def _remove_after(self, step: int) -> None:
        if not processes.from_primary(self.folder.exists):
            return
        for later in [found for found in self._manager.all_steps() if found > step]:
            self._manager.delete(later)
        with processes.together():
            if processes.is_primary():
                for path in self.folder.glob(f"*{_UNFINISHED}*"):
                    shutil.rmtree(path)

    def restore(self, step: int, like: PyTree) -> PyTree:
        """Restores the checkpoint of `step` in the structure of `like`.

        Raises:
          DamagedError: its files are not those that were saved.
          ValueError: it cannot be read, or has another structure or other shapes than
            `like`; the message names its path and what to do.
        """
        import orbax.checkpoint as ocp

        self._verify(step)
        path = self.folder / str(step)
        template = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        self._check_shapes(step, template, path)
        try:
            return self._manager.restore(step, args=ocp.args.StandardRestore(template))
        except Exception as error:  # Orbax and TensorStore raise many kinds
            raise ValueError(
                f"checkpoint {path} cannot be restored: {_first_line(error)}. Delete "
                "that folder to go on from the checkpoint before it, or pass "
                "--overwrite to begin anew"
            ) from error

    def _check_shapes(self, step: int, template: PyTree, path: pathlib.Path) -> None:
        try:
            found = self._manager.item_metadata(step)
        except Exception as error:
            raise ValueError(
                f"checkpoint {path} cannot be read: {_first_line(error)}. Delete that "
                "folder to go on from the checkpoint before it"
            ) from error
        found_shapes, expected = _shapes(found), _shapes(template)
        for name in sorted(found_shapes.keys() | expected.keys()):
            if found_shapes.get(name) != expected.get(name):
                raise ValueError(
                    f"checkpoint {path} is of another run: {name!r} has shape "
                    f"{found_shapes.get(name, 'none')}, expected "
                    f"{expected.get(name, 'none')}"
                )


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    tree = getattr(tree, "tree", tree)  # Orbax wraps its metadata
    names = trees.leaf_names(tree)
    return {
        name: tuple(x.shape)
        for name, x in zip(names, jax.tree.leaves(tree), strict=True)
    }


def _files_in(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    text = lines[0].split(" [tensorstore_spec=")[0]  # a page of settings
    return f"{type(error).__name__}: {text}"


def checkpoints_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints that Orbax has saved in a folder, whatever they are called.

    Raises:
      ValueError: the folder is a checkpoint itself, or one in it is of an unfinished
        save.
    """
    if _describes_itself(folder):
        raise ValueError(
            f"{folder} is one checkpoint: give the folder that holds those of the run"
        )
    found = [child for child in folder.iterdir() if _is_checkpoint(child)]
    for path in found:
        _refuse_unfinished(path)
    return found


def _describes_itself(folder: pathlib.Path) -> bool:
    return any((folder / name).exists() for name in (_OF_CHECKPOINT, _OF_TREE))


def _is_checkpoint(folder: pathlib.Path) -> bool:
    begun = _UNFINISHED in folder.name or _describes_itself(folder)
    return begun or any(folder.glob(f"*/{_OF_TREE}"))


def _refuse_unfinished(path: pathlib.Path) -> None:
    unfinished = any(_UNFINISHED in folder.name for folder in (path, *path.glob("*")))
    try:
        described = files.read_json(path / _OF_CHECKPOINT)
        unfinished |= described.get("commit_timestamp_nsecs", 0) is None
    except (OSError, ValueError, AttributeError):
        pass  # an old Orbax writes none; where it is damaged, its trees may not be
    if unfinished:
        raise ValueError(
            f"checkpoint {path} is of an unfinished save: wait until it is written, or "
            "delete that folder if its process died"
        )


def read_checkpoint(path: pathlib.Path, subtree: str | None = None) -> PyTree:
    """Reads a checkpoint of any structure, or a part of it, without reading the rest.

    Args:
      path: a folder that Orbax has saved.
      subtree: the part to read, such as "params" or "opt_state/0/mu". Where a
        checkpoint holds several trees, it begins with the name of one.

    Returns:
      NumPy arrays in nested dicts and lists.

    Raises:
      ValueError: the save was not finished, there is no such part, or the checkpoint is
        damaged or none; the message names its path.

    Example:
      >>> import pathlib, tempfile
      >>> import jax.numpy as jnp
      >>> from cmd_jax.checkpoints import Checkpoints, read_checkpoint
      >>> folder = pathlib.Path(tempfile.mkdtemp()) / "checkpoints"
      >>> Checkpoints(folder).save(3, {"params": {"w": jnp.ones(2)}, "step": 3})
      >>> read_checkpoint(folder / "3", "params")
      {'w': array([1., 1.], dtype=float32)}
    """
    path = pathlib.Path(path).absolute()
    _refuse_unfinished(path)
    try:
        return _read_tree(*_find_tree(path, subtree))
    except Exception as error:  # Orbax and TensorStore raise many kinds
        raise ValueError(
            f"checkpoint {path} cannot be read: {_first_line(error)}"
        ) from error


def _find_tree(
    path: pathlib.Path, subtree: str | None
) -> tuple[pathlib.Path, str | None]:
    """The folder of the tree that `subtree` lies in, and the rest of `subtree`."""
    if (path / _OF_TREE).exists():
        return path, subtree
    names = sorted(found.parent.name for found in path.glob(f"*/{_OF_TREE}"))
    if len(names) == 1:
        return path / names[0], subtree
    if not names:
        raise ValueError("it holds no tree of arrays")
    if subtree is None:
        raise ValueError(f"it holds the trees {', '.join(names)}: name one as subtree")
    first, _, rest = subtree.partition("/")
    trees.leaves_within(names, first)
    return path / first, rest or None


def _read_tree(folder: pathlib.Path, subtree: str | None) -> PyTree:
    import orbax.checkpoint as ocp

    handler = ocp.PyTreeCheckpointHandler()
    described = handler.metadata(folder).tree
    names = trees.leaf_names(described)
    wanted = set(trees.leaves_within(names, subtree))
    leaves, structure = jax.tree.flatten(described)
    if texts := [names[n] for n in wanted if getattr(leaves[n], "dtype", None) is None]:
        raise ValueError(f"{texts[0]!r} is no array: choose a subtree without it")
    item = [
        leaf if number in wanted else ocp.PLACEHOLDER
        for number, leaf in enumerate(leaves)
    ]
    as_numpy = [ocp.RestoreArgs(restore_type=np.ndarray) for _ in leaves]
    tree = handler.restore(
        folder,
        args=ocp.args.PyTreeRestore(
            item=structure.unflatten(item), restore_args=structure.unflatten(as_numpy)
        ),
    )
    for name in subtree.split("/") if subtree else ():
        tree = tree[int(name)] if isinstance(tree, list | tuple) else tree[name]
    return tree
