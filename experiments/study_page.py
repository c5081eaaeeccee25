"""The frame of a study's page: what finished seeds handed over, and the settings."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cmd_jax import files, runs
from cmd_jax.report import Cell, Section, Table, to_csv, to_markdown, write_page


class FinishedRun(NamedTuple):
    """What the finished seeds of a run have handed over.

    Attributes:
      document: of `config.json`: the name, the hash and the config.
      environment: versions, devices and the command.
      seeds: the numbers of the finished seeds.
      results: the numbers of each of them.
      arrays: for figures, of each of them.
      trained_in: which run has trained a seed, of those that another one has.
    """

    document: Mapping[str, Any]
    environment: Mapping[str, Any]
    seeds: Sequence[int]
    results: Sequence[Mapping[str, Any]]
    arrays: Sequence[Mapping[str, np.ndarray]]
    trained_in: Mapping[int, str] = {}

    def collect(self, name: str) -> np.ndarray:
        """A number of every seed."""
        return np.array([result[name] for result in self.results])


def read(directory: runs.RunDirectory) -> FinishedRun:
    """Reads what a page is made of."""
    seeds = directory.finished_seeds()
    return FinishedRun(
        directory.config(),
        directory.environment(),
        seeds,
        [directory.seed(seed).results() for seed in seeds],
        [directory.seed(seed).arrays() for seed in seeds],
        {seed: text for seed in seeds if (text := _trained_in(directory.seed(seed)))},
    )


def _trained_in(directory: runs.SeedDirectory) -> str:
    if not directory.training_of.exists():
        return ""
    origin = files.read_json(directory.training_of)
    commit = origin["commit"] or "not in a git checkout"
    return f"{origin['run']}, commit {commit}: {origin['command']}"


class Content(NamedTuple):
    """What a study says of its finished seeds.

    Attributes:
      title, subtitle, sections, highlights: as in `write_page`.
      settings: what the numbers depend on, beside the config and the environment.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    highlights: Sequence[tuple[str, str]]
    settings: Sequence[tuple[str, Cell]] = ()


def write(
    directory: runs.RunDirectory, content: Callable[[FinishedRun], Content]
) -> None:
    """Writes the page over the finished seeds of a run, and its tables beside it.

    Args:
      directory: of the run.
      content: the study's own; the settings are added as the last section.

    Raises:
      ValueError: a file is damaged or of another version; the message names it.
    """
    run = read(directory)
    found = content(run)
    sections = [*found.sections, _settings(run, found.settings)]
    for table in (table for section in sections for table in section.tables):
        name = "_".join(table.caption.split(":")[0].lower().split())
        files.write_atomic(directory.tables / f"{name}.csv", to_csv(table))
        files.write_atomic(directory.tables / f"{name}.md", to_markdown(table))
    write_page(
        directory.report,
        found.title,
        sections,
        subtitle=found.subtitle,
        highlights=found.highlights,
        footer=f"`{run.environment['command']}`",
    )


def _settings(run: FinishedRun, more: Sequence[tuple[str, Cell]]) -> Section:
    environment = run.environment
    rows: list[Sequence[Cell]] = [
        ["configuration", f"{run.document['name']}, hash {run.document['hash']}"],
        ["dispatch of training steps", run.document["dispatch"]],
        *more,
        ["commit", environment["commit"] or "not in a git checkout"],
        *([f"seed {seed} trained in", text] for seed, text in run.trained_in.items()),
        ["processor", environment["processor"]],
        ["cores that the run might use", str(environment["cores"])],
        ["devices", ", ".join(environment["devices"])],
        ["Python", environment["python"]],
        *([name, version] for name, version in environment["versions"].items()),
    ]
    config = json.dumps(run.document["config"], indent=2)
    indented = "\n".join("    " + line for line in config.splitlines())
    return Section(
        "Settings",
        f"The command:\n\n    {environment['command']}\n\nThe config:\n\n{indented}",
        tables=[Table("Environment: what the numbers depend on", ["", "value"], rows)],
    )
