"""Finished runs as rows, each under the variant of the config that it is."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from cmd_jax import config as configs
from cmd_jax import runs
from cmd_jax.report import Row, collect

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs"
REFUSED = (ValueError, FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FinishedRun(NamedTuple):
    """A run directory with the rows of its finished seeds, at least one."""

    directory: runs.RunDirectory
    rows: list[Row]

    @property
    def label(self) -> str:
        """The config's name and the variant."""
        return " ".join(filter(None, self.rows[0][:2]))


def read_runs(paths: Sequence[pathlib.Path]) -> list[FinishedRun]:
    """Reads run directories.

    Raises:
      ValueError: one is no finished run, or two hold the same seed of the same variant.
    """
    holders: dict[tuple[str, int], pathlib.Path] = {}
    finished = []
    for path in paths:
        directory = runs.RunDirectory(path)
        run = FinishedRun(directory, collect(directory, variant=variant))
        for seed in directory.finished_seeds():
            other = holders.setdefault((run.label, seed), path)
            if other is not path:
                raise ValueError(
                    f"{other} and {path} both hold seed {seed} of {run.label}: give "
                    "one of them"
                )
        finished.append(run)
    return finished


def variant(name: str, values: dict[str, Any]) -> str:
    """The fields in which a run differs from the config of its name, as one text.

    It is taken from the values, so an argument, an override and a sweep that say the
    same are the same variant.

    Raises:
      ValueError: there is no config of that name.
    """
    base = configs.to_dict(configs.load(configs.find(name, CONFIGS)))
    changed = configs.differences(values, base)
    return " ".join(
        f"{field}={value if isinstance(value, str) else _compact(value)}"
        for field, value in changed.items()
    )


def without_start(name: str, variant: str) -> str:
    """A variant without the run that it starts from, if all runs of its config do so.

    Of other configs a start from another run is a variant.

    Raises:
      ValueError: there is no config of that name.
    """
    if not configs.load(configs.find(name, CONFIGS)).branch.fresh:
        return variant
    return " ".join(x for x in variant.split() if not x.startswith("branch."))


def sweep_variant(name: str, place: int) -> str:
    """The variant of one of the overrides of a config's `sweep()`.

    Raises:
      ValueError: there is no config of that name, or its sweep is shorter.
    """
    path = configs.find(name, CONFIGS)
    overrides = configs.overrides(path)
    if place >= len(overrides):
        raise ValueError(
            f"the sweep of {path} has {len(overrides)} runs, not {place + 1}"
        )
    config = configs.load(path)
    config.update_from_flattened_dict(overrides[place])
    return variant(name, configs.to_dict(config))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
