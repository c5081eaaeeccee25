"""Other people's checkpoints, read without their structure being known.

Whatever API of Orbax wrote it, a checkpoint is a folder whose trees ("items") each have
a `_METADATA`: the checkpoint itself, or folders in it such as `default` and `params`.
"""

import pathlib

import jax
import numpy as np

from cmd_jax import files, trees
from cmd_jax.checkpoints import seal
from cmd_jax.types import PyTree

UNFINISHED = ".orbax-checkpoint-tmp"  # in the name of what is being written
_OF_TREE = "_METADATA"  # Orbax's description of a tree, beside its arrays
_OF_CHECKPOINT = "_CHECKPOINT_METADATA"  # and of the save, beside its trees


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
    begun = UNFINISHED in folder.name or _describes_itself(folder)
    return begun or any(folder.glob(f"*/{_OF_TREE}"))


def _refuse_unfinished(path: pathlib.Path) -> None:
    unfinished = any(UNFINISHED in folder.name for folder in (path, *path.glob("*")))
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
    if seal.exists(path) and (damage := seal.find_damage(path)):
        raise seal.DamagedError(damage)
    try:
        return _read_tree(*_find_tree(path, subtree))
    except Exception as error:  # Orbax and TensorStore raise many kinds
        raise ValueError(
            f"checkpoint {path} cannot be read: {first_line(error)}"
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


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines() or ["no message"]
    text = lines[0].split(" [tensorstore_spec=")[0]  # a page of settings
    return f"{type(error).__name__}: {text}"
