"""Checkpoints of a run's state: the only file that knows Orbax.

A save is atomic (Orbax writes beside its target and renames); the last two are kept, so
that a run survives a checkpoint that was damaged on the disk.
"""

import pathlib
from typing import Any

import jax

from cmd_jax import trees
from cmd_jax.types import PyTree


class Checkpoints:
    """A folder of checkpoints, one per step.

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
        return self._manager.latest_step() if self.folder.exists() else None

    def save(self, step: int, tree: PyTree) -> None:
        """Saves a pytree of arrays; returns when it is on the disk."""
        import orbax.checkpoint as ocp

        self._manager.save(step, args=ocp.args.StandardSave(tree), force=True)

    def restore(self, step: int, like: PyTree) -> PyTree:
        """Restores the checkpoint of `step` in the structure of `like`.

        Raises:
          ValueError: it cannot be read, or has another structure or other shapes than
            `like`; the message names its path and what to do.
        """
        import orbax.checkpoint as ocp

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


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"
