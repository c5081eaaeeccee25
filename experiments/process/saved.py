"""What a checkpoint of a run holds: every seed's training state and its estimators."""

from cmd_jax import runs, train
from cmd_jax.checkpoints import read_checkpoint
from cmd_jax.types import PyTree

_STATES, _ESTIMATORS = "states", "estimators"


def join(states: train.States, followed: list[PyTree]) -> dict[str, list[PyTree]]:
    """The pytree to save, of the seeds of a group in their order."""
    return {_STATES: list(states), _ESTIMATORS: followed}


def split(tree: dict[str, list[PyTree]]) -> tuple[train.States, list[PyTree]]:
    """Takes apart what `join` gave."""
    return tuple(tree[_STATES]), tree[_ESTIMATORS]


def read_state(run: runs.RunDirectory, seed: int, step: int) -> PyTree | None:
    """A seed's training state in the checkpoint of a step; None where there is none."""
    return _read(run, _STATES, seed, step)


def read_followed(run: runs.RunDirectory, seed: int, step: int) -> PyTree | None:
    """A seed's estimators in the checkpoint of a step; None where there is none."""
    return _read(run, _ESTIMATORS, seed, step)


def _read(run: runs.RunDirectory, part: str, seed: int, step: int) -> PyTree | None:
    for group in run.groups():
        folder = run.checkpoints(group) / str(step)
        if seed in group and folder.exists():
            return read_checkpoint(folder, f"{part}/{group.index(seed)}")
    return None
