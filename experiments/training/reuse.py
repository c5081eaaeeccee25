"""`run.py --training_of RUN`: an earlier run's training, instead of the same again.

What follows a training, in a subspace of its records or as a transfer to another
network, is set by blocks of the config that the training does not read. A run that
differs from a finished one in these alone begins where that one's training ended.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from cmd_jax import config as configs
from cmd_jax import runs
from experiments.process import progress

_AFTER_TRAINING = ("subspace", "transfer")  # blocks of a config


def find(
    root: pathlib.Path,
    directory: runs.RunDirectory,
    document: dict[str, Any],
    seeds: Sequence[int],
) -> runs.RunDirectory:
    """The earlier run, if seeds can be taken over from it; writes nothing.

    Args:
      root: its directory.
      directory: of this run.
      document: of this run, with its config.
      seeds: those that the config asks for.

    Raises:
      ValueError: it is no run, this very run, or its config trains otherwise; it has
        none of the seeds, or seeds that are unfinished, without their checkpoints, or
        were trained together and are asked for in part.
    """
    source = runs.RunDirectory(root)
    if not source.is_run:
        raise ValueError(f"--training_of={root} is no run directory")
    if root.resolve() == directory.root.resolve():
        raise ValueError(
            f"--training_of={root} is the directory of this run: leave it out"
        )
    _check_config(source, document)
    groups = _groups(source, seeds)
    if not groups:
        raise ValueError(
            f"--training_of={root} has none of the seeds {', '.join(map(str, seeds))}: "
            "leave it out, or set config.seed and config.train.num_seeds"
        )
    for group in groups:
        _check_group(source, group, seeds)
    return source


def _groups(source: runs.RunDirectory, seeds: Sequence[int]) -> list[tuple[int, ...]]:
    return sorted(group for group in source.groups() if set(group) & set(seeds))


def _check_config(source: runs.RunDirectory, document: dict[str, Any]) -> None:
    ours, theirs = document["config"], source.config()["config"]
    differing = {
        name
        for values, base in ((ours, theirs), (theirs, ours))
        for name in configs.differences(values, base)
        if name.partition(".")[0] not in _AFTER_TRAINING
    }
    if differing:
        raise ValueError(
            f"--training_of={source.root} was trained otherwise: its config differs in "
            f"{', '.join(sorted(differing))}; allowed are differences in "
            f"{' and '.join(_AFTER_TRAINING)}"
        )


def _check_group(
    source: runs.RunDirectory, group: tuple[int, ...], seeds: Sequence[int]
) -> None:
    if not set(group) <= set(seeds):
        raise ValueError(
            f"{_named(group)} of {source.root} were trained together: ask for all of "
            f"them (--config.seed={group[0]} --config.train.num_seeds={len(group)})"
        )
    unfinished = sorted(set(group) - set(source.finished_seeds()))
    if unfinished:
        raise ValueError(
            f"--training_of={source.root} has not finished seed {unfinished[0]}: run "
            "its command again first"
        )
    if not source.checkpoints(group).exists():
        raise ValueError(
            f"--training_of={source.root} has no {source.checkpoints(group)}, where "
            f"{_named(group)} ended: leave it out"
        )


def take_over(
    source: runs.RunDirectory,
    directory: runs.RunDirectory,
    document: dict[str, Any],
    seeds: Sequence[int],
) -> None:
    """Copies the trainings of the seeds from an earlier run, where they are missing.

    Seeds that the earlier run has not are trained as ever. Steps are dispatched as they
    were there: another dispatch rounds otherwise.

    Args:
      source: the earlier run, from `find`.
      directory: of this run; it is made where there is something to copy.
      document: what this run's directory is made with.
      seeds: those that the config asks for.

    Raises:
      LockedError: another process runs them here.
    """
    dispatch, finished = source.config()["dispatch"], set(directory.finished_seeds())
    for group in _groups(source, seeds):
        if not finished & set(group) and not directory.checkpoints(group).exists():
            directory.create({**document, "dispatch": dispatch})
            with directory.claim(group):
                directory.copy_training(source, group)
            progress.say(f"{_named(group)}: trained in {source.root}")


def _named(group: tuple[int, ...]) -> str:
    first, last = group[0], group[-1]
    return f"seed {first}" if first == last else f"seeds {first} to {last}"
