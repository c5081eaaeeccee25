"""Branching: a run whose seeds start from a record of another run.

The parameters are those of the record. Optimizer state and the objective's state
(running statistics) are taken from the source's checkpoint of the very same step where
there is one and it fits; else the optimizer begins anew, and running statistics are
re-estimated. The new run begins at step 0: its learning-rate schedule and its batches
start anew. Leaves that are fresh, as those of a head for other classes, keep their
random values, and the optimizer begins anew with them.
"""

import fnmatch
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from cmd_jax import files, processes, runs, train, trees
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from cmd_jax.types import Params, PyTree
from experiments.configured import recording
from experiments.process import progress, saved

_FROM_CHECKPOINT = ("optimizer_state", "state")  # of a TrainState


def resolve(config: ConfigDict, seeds: Sequence[int], like: Params) -> ConfigDict:
    """The config with the source's hash and step, which its own hash is made of.

    Args:
      config: with or without a branch.
      seeds: those that the config asks for.
      like: the network's parameters, or their shapes and dtypes.

    Raises:
      ValueError: there is no such run, seed or record; the source is damaged, or has
        recorded a part of its network or another one; a branch is given without a run.
    """
    block = config.branch
    if not block.run:
        if (block.record, block.seed, block.fresh) != (-1, -1, ""):
            raise ValueError(
                f"config.branch.record is {block.record}, config.branch.seed is "
                f"{block.seed} and config.branch.fresh is {block.fresh!r}, but "
                "config.branch.run is empty: give a run directory"
            )
        return config
    run = runs.RunDirectory(pathlib.Path(block.run))
    source_seeds = sorted({_source_seed(config, seed) for seed in seeds})
    sources = [
        _open(run, seed, like, block.fresh, verify=True) for seed in source_seeds
    ]
    step = _step(sources[0], block.record)
    for seed, source in zip(source_seeds, sources, strict=True):
        _record(source, step)
        # Refuses a damaged one while nothing is written.
        saved.read_state(run, seed, step)
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        resolved.branch.source = _hash(run)
        resolved.branch.step = step
    return resolved


def describe(config: ConfigDict) -> str:
    """Where the seeds of a resolved config start, in a few words."""
    block = config.branch
    seed = "the same seed" if block.seed < 0 else f"seed {block.seed}"
    start = f"from step {block.step} of {seed} of {block.run}"
    return f"{start}, {block.fresh} fresh" if block.fresh else start


def begin(
    config: ConfigDict,
    states: train.States,
    directories: Mapping[int, runs.SeedDirectory],
    reestimate: train.Reestimate,
) -> train.States:
    """The states at the branch point; says, and writes, what each is made of.

    Args:
      config: resolved.
      states: the initial states, one for each seed.
      directories: by seed, in the order of the states.
      reestimate: gives running statistics where the source has none to take.
    """
    begun = []
    for state, (seed, directory) in zip(states, directories.items(), strict=True):
        state, origin = _begin_seed(config, state, seed, reestimate)
        progress.say(f"seed {seed}: {describe(config)}{_said(origin)}")
        if processes.is_primary():
            files.write_json(directory.branch, origin)
        begun.append(state)
    return tuple(begun)


def _said(origin: dict[str, Any]) -> str:
    parts = {name: origin[name] for name in _FROM_CHECKPOINT if origin[name] != "none"}
    return "".join(f"; {name}: {text}" for name, text in parts.items())


def _begin_seed(
    config: ConfigDict,
    state: train.TrainState,
    seed: int,
    reestimate: train.Reestimate,
) -> tuple[train.TrainState, dict[str, Any]]:
    """A seed's state at the branch point, and where its parts come from."""
    block = config.branch
    run = runs.RunDirectory(pathlib.Path(block.run))
    source = _source_seed(config, seed)
    stored = _open(run, source, state.params, block.fresh, verify=False)
    recorded = stored[_record(stored, block.step)]
    params = _in_place_of_fresh(recorded, state.params, block.fresh)
    parts: dict[str, PyTree] = {"params": params}
    origin = {
        "run": block.run,
        "hash": block.source,
        "seed": source,
        "step": block.step,
    }
    checkpoint = saved.read_state(run, source, block.step)
    anew = {
        "optimizer_state": ("initial", lambda: state.optimizer_state),
        "state": ("re-estimated", lambda: reestimate(params, state.state)),
    }
    for name, (word, make) in anew.items():
        part, origin[name] = _adopt(getattr(state, name), checkpoint, name)
        if block.fresh and origin[name] != "none":
            part, origin[name] = None, f"{block.fresh} is fresh"
        if part is None:
            part, origin[name] = make(), f"{word} ({origin[name]})"
        parts[name] = part
    begun = state._replace(**parts)
    return jax.device_put(begun, jax.tree.map(lambda x: x.sharding, state)), origin


def _in_place_of_fresh(tree: Params, initial: Params, fresh: str) -> Params:
    """A tree whose fresh leaves are those of another one."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(initial), strict=True)
    return jax.tree.structure(initial).unflatten(
        [
            new if fnmatch.fnmatchcase(name, fresh) else old
            for name, (old, new) in zip(trees.leaf_names(initial), pairs, strict=True)
        ]
    )


def _adopt(
    initial: PyTree, checkpoint: dict[str, PyTree] | None, name: str
) -> tuple[PyTree | None, str]:
    """A part of a checkpoint in the structure of `initial`, or None; and why."""
    leaves, structure = jax.tree.flatten(initial)
    taken = [not flag for flag in _of_schedule(initial)]
    if not any(taken):
        return initial, "none"
    if checkpoint is None:
        return None, "the source has no checkpoint of that step"
    part = checkpoint.get(name)
    found = dict(zip(trees.leaf_names(part), jax.tree.leaves(part), strict=True))
    adopted = [
        found.get(leaf_name) if take else leaf
        for leaf_name, leaf, take in zip(
            trees.leaf_names(initial), leaves, taken, strict=True
        )
    ]
    pairs = zip(adopted, leaves, strict=True)
    if any(x is None or (x.shape, x.dtype) != (y.shape, y.dtype) for x, y in pairs):
        return None, "the source's is of another kind"
    return structure.unflatten(adopted), "of the source's checkpoint"


def _of_schedule(optimizer_state: PyTree) -> tuple[bool, ...]:
    """For each leaf whether it counts the steps of a schedule, which starts anew."""

    def is_schedule(node: PyTree) -> bool:
        return isinstance(node, optax.ScaleByScheduleState)

    mask = jax.tree.map(is_schedule, optimizer_state, is_leaf=is_schedule)
    return trees.broadcast_mask(mask, optimizer_state)


def _source_seed(config: ConfigDict, seed: int) -> int:
    return seed if config.branch.seed < 0 else config.branch.seed


def _hash(run: runs.RunDirectory) -> str:
    try:
        return run.config()["hash"]
    except FileNotFoundError:
        raise ValueError(
            f"config.branch.run is {str(run.root)!r}: there is no run directory"
        ) from None


def _open(
    run: runs.RunDirectory, seed: int, like: Params, fresh: str, *, verify: bool
) -> StoredTrajectory:
    _hash(run)
    path = run.seed(seed).trajectory
    if not path.exists():
        raise ValueError(
            f"config.branch: {run.root} has no seed {seed}; set config.branch.seed to "
            f"one that it has: {', '.join(map(str, run.seeds()))}"
        )
    try:
        if fresh:
            like = _with_recorded_shapes(path, like, fresh)
        stored = recording.open_recorded(run.seed(seed), like, verify=verify)
    except ValueError as error:
        raise ValueError(
            f"config.branch: {error} (like: the parameters of config.model)"
        ) from error
    if stored.layout.select is not None:
        raise ValueError(
            f"config.branch: {path} has recorded {stored.layout.select!r} of its "
            "network only; a run starts from a whole network"
        )
    return stored


def _with_recorded_shapes(path: pathlib.Path, like: Params, fresh: str) -> Params:
    """The network as it was recorded: its fresh leaves may have other shapes."""
    names = trees.leaf_names(like)
    if not fnmatch.filter(names, fresh):
        raise ValueError(
            f"config.branch.fresh is {fresh!r}, which no leaf is called; there are "
            f"{', '.join(names)}"
        )
    recorded = Trajectory.open(path, verify=False).template
    shapes = dict(
        zip(trees.leaf_names(recorded), jax.tree.leaves(recorded), strict=True)
    )
    leaves = zip(names, jax.tree.leaves(like), strict=True)
    return jax.tree.structure(like).unflatten(
        [
            shapes.get(name, leaf) if fnmatch.fnmatchcase(name, fresh) else leaf
            for name, leaf in leaves
        ]
    )


def _step(source: StoredTrajectory, record: int) -> int:
    if not -len(source) <= record < len(source):
        raise ValueError(
            f"config.branch.record is {record}; {source.path} has the records 0 to "
            f"{len(source) - 1} (negative ones count from the end)"
        )
    return int(source.steps[record])


def _record(source: StoredTrajectory, step: int) -> int:
    (found,) = np.nonzero(source.steps == step)
    if not found.size:
        raise ValueError(f"config.branch: {source.path} has no record of step {step}")
    return int(found[0])
