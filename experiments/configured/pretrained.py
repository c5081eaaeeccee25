"""Pretrained weights: a run whose seeds start from a file that others published.

The run is named by the form and the checksum of the file, not by its path. A head for
other classes than the file's is the network's own. The optimizer begins anew.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from cmd_jax import files, models, processes, runs, train
from cmd_jax.types import Params
from experiments.process import progress

_READERS: dict[str, Callable[..., models.Pretrained]] = {"vit": models.read_vit}


def resolve(config: ConfigDict, like: Params) -> ConfigDict:
    """The config with what its file of weights is, which its own hash is made of.

    Args:
      config: with or without `branch.weights`.
      like: the network's parameters, or their shapes and dtypes.

    Raises:
      FileNotFoundError: there is no such file; the message says how to get one.
      ValueError: a run is given too, no weights of such a model can be read, or the
        file is not of that network.
    """
    block = config.branch
    if not block.weights:
        return config
    if block.run:
        raise ValueError(
            f"config.branch.run is {block.run!r} and config.branch.weights is "
            f"{block.weights!r}; a run starts from one of them"
        )
    if config.model.name not in _READERS:
        raise ValueError(
            f"config.branch.weights is {block.weights!r}, but pretrained weights are "
            f"read for the models {', '.join(_READERS)}, not for {config.model.name!r}"
        )
    found = _read(config, like)
    resolved = config.copy_and_resolve_references()
    with resolved.unlocked():
        checksum = files.crc32(pathlib.Path(block.weights))
        resolved.branch.source = f"{found.form}-{checksum:08x}"
    return resolved


def _read(config: ConfigDict, like: Params) -> models.Pretrained:
    path = config.branch.weights
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            f"config.branch.weights is {path!r}: there is no such file. "
            "docs/own_model.md says how to get pretrained weights; "
            "--config.branch.weights= with nothing behind it starts at random"
        )
    try:
        return _READERS[config.model.name](path, like)
    except ValueError as error:
        raise ValueError(f"config.branch.weights: {error}") from error


def describe(config: ConfigDict) -> str:
    """Where the seeds of a resolved config start, in a few words."""
    return f"from {config.branch.weights} ({config.branch.source})"


def begin(
    config: ConfigDict,
    states: train.States,
    directories: Mapping[int, runs.SeedDirectory],
) -> train.States:
    """The states with pretrained weights; says, and writes, where they come from.

    Args:
      config: resolved.
      states: the initial states, one for each seed.
      directories: by seed, in the order of the states.
    """
    found = _read(config, states[0].params)
    head = "of the file"
    if found.fresh_head:
        head = f"initial (the file's has {found.file_classes} classes)"
    begun = []
    for state, (seed, directory) in zip(states, directories.items(), strict=True):
        progress.say(f"seed {seed}: {describe(config)}; head: {head}")
        if processes.is_primary():
            files.write_json(directory.branch, _origin(config, head))
        own_head = {"head": state.params["head"]} if found.fresh_head else {}
        placed = jax.tree.map(lambda x: x.sharding, state.params)
        params = jax.device_put({**found.params, **own_head}, placed)
        begun.append(state._replace(params=params))
    return tuple(begun)


def _origin(config: ConfigDict, head: str) -> dict[str, Any]:
    block = config.branch
    return {"weights": block.weights, "source": block.source, "head": head}
