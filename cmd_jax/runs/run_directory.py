"""The layout of a run directory: this and `seed_directory` alone know file names.

    runs/<config>-<hash8>/
      config.json  environment.json  report.html  tables/
      checkpoints/seeds_0-2/  checkpoints/seeds_0-2.lock
      environment/seeds_0-2.json  wall_time/seeds_0-2.json
      seed_0/

A group of seeds belongs to one process, by a lock that dies with it; groups that share
no seed run side by side.
"""

import contextlib
import pathlib
import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cmd_jax import files
from cmd_jax.runs.seed_directory import SeedDirectory


class RunDirectory(NamedTuple):
    """The directory of one config's runs, over all its seeds."""

    root: pathlib.Path

    @property
    def report(self) -> pathlib.Path:
        """The page over the seeds."""
        return self.root / "report.html"

    @property
    def tables(self) -> pathlib.Path:
        """The folder of the page's tables as Markdown and CSV."""
        return self.root / "tables"

    def seed(self, seed: int) -> SeedDirectory:
        """The files of one seed."""
        return SeedDirectory(self.root / f"seed_{seed}")

    def checkpoints(self, seeds: Sequence[int]) -> pathlib.Path:
        """The folder of a group's checkpoints."""
        return self.root / "checkpoints" / _group_name(seeds)

    def seeds(self) -> list[int]:
        """The seeds that have been begun, in order."""
        found = (re.fullmatch(r"seed_(\d+)", p.name) for p in self.root.glob("seed_*"))
        return sorted(int(match[1]) for match in found if match)

    def finished_seeds(self) -> list[int]:
        """The seeds whose results are there, in order."""
        return [seed for seed in self.seeds() if self.seed(seed).finished]

    def groups(self) -> list[tuple[int, ...]]:
        """The groups of seeds that have been begun."""
        locks = (self.root / "checkpoints").glob("seeds_*.lock")
        return [_group_of(path) for path in locks]

    def groups_to_run(self, seeds: Sequence[int]) -> list[tuple[int, ...]]:
        """The groups that finish `seeds`: those begun earlier, then what is missing."""
        begun = [g for g in self._unfinished_groups() if set(g) <= set(seeds)]
        taken = {seed for group in begun for seed in group}
        groups: list[tuple[int, ...]] = []
        for seed in seeds:
            if seed in taken or self.seed(seed).finished:
                continue
            if groups and groups[-1][-1] == seed - 1:
                groups[-1] += (seed,)
            else:
                groups.append((seed,))
        return sorted(begun + groups)

    def _unfinished_groups(self) -> list[tuple[int, ...]]:
        return [
            group
            for group in self.groups()
            if not all(self.seed(seed).finished for seed in group)
        ]

    def check_config(self, config: dict[str, Any]) -> None:
        """Refuses a directory that another config, or something else, has written.

        Raises:
          ValueError: with the path and what to do.
        """
        if not self.root.exists():
            return
        self._check_is_run()
        found = self.config()["hash"]
        if found != config["hash"]:
            raise ValueError(
                f"{self.root} is the run directory of another config (hash {found}, "
                f"not {config['hash']}); choose another --output"
            )

    def config(self) -> dict[str, Any]:
        """What `create` was given as the config.

        Raises:
          ValueError: the file is damaged; the message names it.
        """
        return files.read_sealed_json(self._config)

    def environment(self, seed: int | None = None) -> dict[str, Any]:
        """Versions, devices and the command of the latest start, or that of a seed."""
        for path in (self.root / "environment").glob("seeds_*.json"):
            if seed in _group_of(path):
                return files.read_sealed_json(path)
        return files.read_sealed_json(self._environment)

    def create(self, config: dict[str, Any]) -> None:
        """Makes the directory, or goes on in the one that is there."""
        self.check_config(config)
        if not self._config.exists():
            files.write_sealed_json(self._config, config)

    def write_environment(
        self, environment: dict[str, Any], seeds: Sequence[int]
    ) -> None:
        """Writes what `environment` gives for a group; only for who has claimed it."""
        path = self.root / "environment" / f"{_group_name(seeds)}.json"
        files.write_sealed_json(path, environment)
        files.write_sealed_json(self._environment, environment)

    def wall_times(self) -> dict[tuple[int, ...], float]:
        """Seconds that the training of each group of seeds took, where it is known.

        Raises:
          ValueError: a file is damaged; the message names it.
        """
        paths = (self.root / "wall_time").glob("seeds_*.json")
        return {_group_of(p): files.read_sealed_json(p)["seconds"] for p in paths}

    def write_wall_time(self, seeds: Sequence[int], seconds: float) -> None:
        """Writes the seconds of a group; only for who has claimed it."""
        path = self.root / "wall_time" / f"{_group_name(seeds)}.json"
        files.write_sealed_json(path, {"seconds": seconds})

    def copy_training(self, source: "RunDirectory", seeds: Sequence[int]) -> None:
        """Copies the training of a group from another run; only for who has claimed it.

        Its checkpoints come last and at once, so that a kill leaves none of them.
        """
        for seed in seeds:
            environment = source.environment(seed)
            origin = {name: environment[name] for name in ("command", "commit")}
            origin = {"run": source.root.name, **origin}
            self.seed(seed).copy_training(source.seed(seed), origin)
        if (seconds := source.wall_times().get(tuple(seeds))) is not None:
            self.write_wall_time(seeds, seconds)
        folder = self.checkpoints(seeds)
        partial = folder.with_name(f".{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source.checkpoints(seeds), partial)
        partial.rename(folder)

    @contextlib.contextmanager
    def claim(self, seeds: Sequence[int]) -> Iterator[None]:
        """Owns a group of seeds for the body.

        Raises:
          LockedError: another process runs it, or seeds of it.
          ValueError: it overlaps an unfinished group of other seeds.
        """
        folder = self.checkpoints(seeds)
        with contextlib.ExitStack() as owned:
            with files.lock(folder.parent / "claim.lock", wait=True):
                self._check_overlap(seeds)
                owned.enter_context(files.lock(_lock_of(folder)))
            yield

    def _check_overlap(self, seeds: Sequence[int]) -> None:
        for other in self._unfinished_groups():
            if other != tuple(seeds) and set(other) & set(seeds):
                raise ValueError(
                    f"seeds {other[0]} to {other[-1]} of {self.root} are unfinished: "
                    f"finish them first (--config.seed={other[0]} "
                    f"--config.train.num_seeds={len(other)}), or begin anew with "
                    "--overwrite"
                )

    def remove(self) -> None:
        """Deletes the directory and everything in it.

        Raises:
          LockedError: a process is at work in it.
          ValueError: it is no run directory.
        """
        if not self.root.exists():
            return
        self._check_is_run()
        with contextlib.ExitStack() as owned:
            for path in (self.root / "checkpoints").glob("*.lock"):
                owned.enter_context(files.lock(path))
            shutil.rmtree(self.root)

    @property
    def is_run(self) -> bool:
        """Whether a run has been begun here."""
        return self._config.exists()

    def _check_is_run(self) -> None:
        if not self.is_run:
            raise ValueError(
                f"{self.root} exists and is no run directory (it has no "
                f"{self._config.name}); choose another --output"
            )

    @property
    def _config(self) -> pathlib.Path:
        return self.root / "config.json"

    @property
    def _environment(self) -> pathlib.Path:
        return self.root / "environment.json"


def _group_name(seeds: Sequence[int]) -> str:
    return f"seeds_{seeds[0]}-{seeds[-1]}"


def _group_of(path: pathlib.Path) -> tuple[int, ...]:
    first, last = path.stem.removeprefix("seeds_").split("-")
    return tuple(range(int(first), int(last) + 1))


def _lock_of(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(folder.name + ".lock")
