"""Checkpoints of a run's state.

A save is atomic: Orbax writes beside its target and renames, and a seal is written
last. The last two are kept, so that a run survives a checkpoint that was damaged on the
disk.
"""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from cmd_jax import processes, trees
from cmd_jax.checkpoints import seal
from cmd_jax.checkpoints.foreign import UNFINISHED, first_line
from cmd_jax.checkpoints.seal import DamagedError
from cmd_jax.types import PyTree


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
            lambda: [step for step in steps if seal.exists(self.folder / str(step))]
        )

    def save(self, step: int, tree: PyTree) -> None:
        """Saves a pytree of arrays; returns when it is on the disk."""
        import orbax.checkpoint as ocp

        self._manager.save(step, args=ocp.args.StandardSave(tree), force=True)
        with processes.together():
            if processes.is_primary():
                seal.write(self.folder / str(step))

    def resume(self, like: Callable[[int], PyTree]) -> Resumed | None:
        """Restores the latest good checkpoint, for the one run that goes on saving.

        Later ones that are damaged, and what a kill left of a save, are removed.

        Args:
          like: gives a pytree of the structure, shapes and dtypes that were saved at a
            step.

        Returns:
          The checkpoint, or None where no save was ever finished.

        Raises:
          DamagedError: none of those that are left is good.
          ValueError: it has another structure or other shapes than `like`.
        """
        damaged = []
        for step in sorted(self._steps(), reverse=True):
            try:
                tree = self.restore(step, like(step))
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
                for path in self.folder.glob(f"*{UNFINISHED}*"):
                    shutil.rmtree(path)

    def restore(self, step: int, like: PyTree) -> PyTree:
        """Restores the checkpoint of `step` in the structure of `like`.

        Raises:
          DamagedError: its files are not those that were saved.
          ValueError: it cannot be read, or has another structure or other shapes than
            `like`; the message names its path and what to do.
        """
        import orbax.checkpoint as ocp

        path = self.folder / str(step)
        if damage := processes.from_primary(lambda: seal.find_damage(path)):
            raise DamagedError(damage)
        template = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        self._check_shapes(step, template, path)
        try:
            return self._manager.restore(step, args=ocp.args.StandardRestore(template))
        except Exception as error:  # Orbax and TensorStore raise many kinds
            raise ValueError(
                f"checkpoint {path} cannot be restored: {first_line(error)}. Delete "
                "that folder to go on from the checkpoint before it, or pass "
                "--overwrite to begin anew"
            ) from error

    def _check_shapes(self, step: int, template: PyTree, path: pathlib.Path) -> None:
        try:
            found = self._manager.item_metadata(step)
        except Exception as error:
            raise ValueError(
                f"checkpoint {path} cannot be read: {first_line(error)}. Delete that "
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
