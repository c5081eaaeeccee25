"""The runs that a config file's `sweep()` asks for, and which of them a command means.

What the command line sets chooses: `--config digits_embedded
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


def chosen_runs(
    path: pathlib.Path, config: ConfigDict, overridden: Sequence[str]
) -> list[ConfigDict]:
    """The config once for each override that agrees with the command line.

    Args:
      path: the config's file.
      config: what it gives, with the command line's values.
      overridden: the fields that the command line sets, as `optimizer.momentum`.

    Raises:
      Error: of the flags; no override agrees with them.
      ValueError: the sweep sets what the config has not.
    """
    runs = [_apply(path, config, override) for override in configs.overrides(path)]
    given = {name: _field(config, name) for name in overridden}
    chosen = [run for run in runs if all(_field(run, n) == v for n, v in given.items())]
    if not chosen:
        raise flags.Error(_none_chosen(path, given, runs))
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
    """The field of a dotted name; all of a tuple where one of its places is named."""
    return functools.reduce(operator.getitem, name.partition("[")[0].split("."), config)


def _none_chosen(
    path: pathlib.Path, given: Mapping[str, Any], runs: Sequence[ConfigDict]
) -> str:
    """What the command line may choose of a sweep, where it chose nothing."""
    reasons = []
    for name, value in given.items():
        allowed = list(dict.fromkeys(repr(_field(run, name)) for run in runs))
        if repr(value) not in allowed:
            among = ", ".join(allowed)
            reasons.append(f"--config.{name} chooses one of {among}, not {value!r}")
    reasons = reasons or [f"{', '.join(given)} as given are not set together"]
    return f"the sweep of {path.stem} has no such run: " + "; ".join(reasons)
