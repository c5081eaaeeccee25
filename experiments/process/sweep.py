"""The runs that a config file's `sweep()` asks for, and which of them a command means.

A field that the sweep sets chooses: `--config digits_embedded
--config.embedding.treatment=tied` is one of that sweep's four runs.
"""

import functools
import operator
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from cmd_jax import config as configs


def swept_fields(path: pathlib.Path) -> list[str]:
    """The fields that some run of a sweep sets, but for the paper's numbers."""
    names = (name for override in configs.overrides(path) for name in override)
    return [name for name in dict.fromkeys(names) if not name.startswith("paper.")]


def chosen_runs(
    path: pathlib.Path, argument: str, config: ConfigDict, overridden: Sequence[str]
) -> list[ConfigDict]:
    """The config once for each run of the sweep that agrees with the command line.

    Args:
      path: the config's file.
      argument: what follows the config's name.
      config: what the file gives, with the command line's values.
      overridden: the fields that the command line sets, as `optimizer.momentum`.

    Raises:
      Error: of the flags; no run agrees with them.
      ValueError: the sweep sets what the config has not.
    """
    overrides, as_written = configs.overrides(path), configs.load(path, argument)
    runs = [_apply(path, config, override) for override in overrides]
    swept = [_apply(path, as_written, override) for override in overrides]
    fields = [name for name in overridden if name in swept_fields(path)]
    given = {name: _field(config, name) for name in fields}
    chosen = [
        run
        for run, alone in zip(runs, swept, strict=True)
        if all(_field(alone, name) == value for name, value in given.items())
    ]
    if not chosen:
        raise flags.Error(_none_chosen(path, given, swept))
    return chosen


def _apply(
    path: pathlib.Path, config: ConfigDict, override: Mapping[str, Any]
) -> ConfigDict:
    run = config.copy_and_resolve_references()
    try:
        run.update_from_flattened_dict(override)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the sweep of {path}: {error}") from error
    return run


def _field(config: ConfigDict, name: str) -> Any:
    """The field of a dotted name."""
    return functools.reduce(operator.getitem, name.split("."), config)


def _none_chosen(
    path: pathlib.Path, given: Mapping[str, Any], swept: Sequence[ConfigDict]
) -> str:
    """What the command line may choose of a sweep, where it chose nothing."""
    reasons = []
    for name, value in given.items():
        values = [_field(run, name) for run in swept]
        if value not in values:
            allowed = ", ".join(dict.fromkeys(map(repr, values)))
            reasons.append(f"--config.{name} chooses one of {allowed}, not {value!r}")
    if not reasons:
        together = " and ".join(f"--config.{n}={v}" for n, v in given.items())
        reasons.append(f"none has {together}")
    return (
        f"the sweep of {path.stem} has no such run: {'; '.join(reasons)}. For another "
        "value give --config a file of your own"
    )
