"""Tidy rows of results: one a seed, method and metric, in one CSV a config.

The rows say all that a number depends on, so that tables need no run directory. Numbers
are as measured: an accuracy is a fraction.
"""

import csv
import io
import itertools
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cmd_jax import files, runs
from cmd_jax.report.tables import Table, to_csv

Key = tuple[str, str, int, str, str]


class Row(NamedTuple):
    """A number, and what it depends on.

    Attributes:
      config: the config's name.
      variant: the fields in which the run differs from that config; "" for none.
      seed: of the run.
      method: whose network, as in `results.json`: "sgd", "ema", "online", ...; in a
        phase diagram which point, "m=8".
      metric: "accuracy" and "loss" on the test set, "r_squared", "correlation", or what
        a study gives among its results as `measures`.
      value: as measured: a fraction; nats of a loss.
      statistics: what BatchNorm used.
      epochs: of the training; 0 where there are none.
      command: that started the run, or resumed it last.
      commit: of the code; "+" behind it where files differed, "" if unknown.
      versions: of Python and the packages.
      hardware: devices, processor and cores.
      wall_seconds: that the training of all seeds trained together took, if known.
      seeds_together: how many seeds that were, if known.
    """

    config: str
    variant: str
    seed: int
    method: str
    metric: str
    value: float
    statistics: str
    epochs: int
    command: str
    commit: str
    versions: str
    hardware: str
    wall_seconds: float | None
    seeds_together: int | None

    @property
    def key(self) -> Key:
        """What there may be one number of."""
        return self.config, self.variant, self.seed, self.method, self.metric


_PARSERS = {
    "seed": int,
    "value": float,
    "epochs": int,
    "wall_seconds": lambda text: float(text) if text else None,
    "seeds_together": lambda text: int(text) if text else None,
}


def collect(
    run: runs.RunDirectory, *, variant: Callable[[str, dict[str, Any]], str]
) -> list[Row]:
    """The rows of a run's finished seeds.

    Args:
      run: its directory.
      variant: gives, for a config's name and the values of the run, the fields in which
        they differ.

    Raises:
      ValueError: it is no run directory, has no finished seed, or a file in it is
        damaged or of another version; the message names the path.
    """
    try:
        document, seeds = run.config(), run.finished_seeds()
        environments = {seed: run.environment(seed) for seed in seeds}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{run.root} is no run directory: there is no {error.filename}"
        ) from error
    if not seeds:
        raise ValueError(
            f"{run.root} has no finished seed: give its command again to go on"
        )
    text = variant(document["name"], document["config"])
    rows = (_rows(run, seed, text, document, environments[seed]) for seed in seeds)
    return list(itertools.chain.from_iterable(rows))


def _rows(
    run: runs.RunDirectory,
    seed: int,
    variant: str,
    document: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> list[Row]:
    results = run.seed(seed).results()
    versions = {"python": environment["python"], **environment["versions"]}
    wall_times = [item for item in run.wall_times().items() if seed in item[0]]
    together, seconds = wall_times[0] if wall_times else ((), None)
    return [
        Row(
            config=document["name"],
            variant=variant,
            seed=seed,
            method=method,
            metric=metric,
            value=value,
            statistics=results["statistics"],
            epochs=document["config"]["train"].get("total_epochs", 0),
            command=environment["command"],
            commit=environment["commit"],
            versions=", ".join(f"{name} {text}" for name, text in versions.items()),
            hardware=_hardware(environment),
            wall_seconds=seconds,
            seeds_together=len(together) or None,
        )
        for (method, metric), value in _numbers(results).items()
    ]


def _numbers(results: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Tests, and what a study gives as `measures[method][metric]`, or CMD's fit."""
    tests = {
        (method, metric): value
        for metric in ("accuracy", "loss")
        for method, value in results.get(metric, {}).items()
    }
    if "measures" in results:
        return tests | {
            (method, metric): value
            for method, measured in results["measures"].items()
            for metric, value in measured.items()
        }
    fit = {("cmd", name): results[name] for name in ("r_squared", "correlation")}
    null = {("null", name): results[f"null_{name}"] for _, name in fit}
    return tests | fit | null


def _hardware(environment: Mapping[str, Any]) -> str:
    cores = environment["cores"]
    processor = f"{environment['processor']}, {cores} core{'s' * (cores != 1)}"
    devices = environment["devices"]
    if set(devices) == {"cpu"}:
        return processor
    kinds = (f"{devices.count(kind)} x {kind}" for kind in dict.fromkeys(devices))
    return f"{', '.join(kinds)} ({processor})"


def read_rows(path: pathlib.Path) -> list[Row]:
    """The rows of `<config>.csv`; none if there is no such file.

    Raises:
      ValueError: something else has written or damaged the file; the message names it.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return []
    rows = []
    try:
        text = path.read_bytes().decode()
        heading, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        if tuple(heading) != Row._fields:
            raise ValueError(f"its columns are not {', '.join(Row._fields)}")
        for number, cells in enumerate(lines, 1):
            rows.append(_parse(cells, number))
        _check_unique(rows)
        if foreign := {row.config for row in rows} - {path.stem}:
            raise ValueError(f"it has rows of the config {min(foreign)!r}")
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} is not the results of a config: {error}. Restore the file, or "
            "move it away and collect its runs again"
        ) from error
    return rows


def _parse(cells: list[str], number: int) -> Row:
    if len(cells) != len(Row._fields):
        raise ValueError(f"row {number} has {len(cells)} of {len(Row._fields)} cells")
    try:
        row = Row(
            *(
                _PARSERS.get(name, str)(cell)
                for name, cell in zip(Row._fields, cells, strict=True)
            )
        )
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from error
    if not math.isfinite(row.value):
        raise ValueError(f"row {number}: the value is {row.value}")
    return row


def merge_rows(rows: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """All rows, sorted; a new one takes the place of one with the same key.

    Raises:
      ValueError: two of the new rows have the same key.
    """
    new = list(new)
    _check_unique(new)
    merged = {row.key: row for row in (*rows, *new)}
    return [merged[key] for key in sorted(merged)]


def _check_unique(rows: list[Row]) -> None:
    seen: set[Key] = set()
    for row in rows:
        if row.key in seen:
            raise ValueError(f"two rows have the same key {row.key}")
        seen.add(row.key)


def write_rows(path: pathlib.Path, rows: Iterable[Row]) -> None:
    """Replaces `<config>.csv`, atomically."""
    files.write_atomic(path, to_csv(Table("", Row._fields, list(rows))))
