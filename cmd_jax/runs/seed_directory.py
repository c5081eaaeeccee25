"""The files of one seed in a run directory.

    seed_0/  metrics.jsonl  trajectory/  tensorboard/  arrays.npz  results.json
             branch.json  training_of.json  autoencoder.json  subspace/

`results.json` is written last: a seed that has it is finished.
"""

import pathlib
import shutil
from typing import Any, NamedTuple

import numpy as np

from cmd_jax import files

_REMAKE = "remove results.json to have both made again from the trajectory"


class SeedDirectory(NamedTuple):
    """The files of one seed."""

    root: pathlib.Path

    @property
    def metrics(self) -> pathlib.Path:
        """JSON lines, one row a chunk."""
        return self.root / "metrics.jsonl"

    @property
    def trajectory(self) -> pathlib.Path:
        """The store of the recorded parameters."""
        return self.root / "trajectory"

    @property
    def tensorboard(self) -> pathlib.Path:
        """TensorBoard's event files."""
        return self.root / "tensorboard"

    @property
    def branch(self) -> pathlib.Path:
        """Where the seed started, if not from a random initialisation (JSON)."""
        return self.root / "branch.json"

    @property
    def autoencoder(self) -> pathlib.Path:
        """What the auto-encoder reached whose encoder the seed has, if any (JSON)."""
        return self.root / "autoencoder.json"

    @property
    def subspace(self) -> pathlib.Path:
        """Checkpoints of the trainings in a subspace, until the seed is finished."""
        return self.root / "subspace"

    @property
    def training_of(self) -> pathlib.Path:
        """Which run has trained the seed, if not this one (JSON)."""
        return self.root / "training_of.json"

    def copy_training(self, source: "SeedDirectory", origin: dict[str, str]) -> None:
        """Replaces what training leaves by that of another run's seed.

        Args:
          source: the seed there.
          origin: what `training_of` says, unless the seed was not trained there either.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        results = (source._results.name, source._arrays.name, source.subspace.name)
        shutil.copytree(source.root, self.root, ignore=shutil.ignore_patterns(*results))
        if not self.training_of.exists():
            files.write_json(self.training_of, origin)

    def finish(self, results: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Writes what the report needs; afterwards the seed counts as finished."""
        with files.replacing(self._arrays) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        seals = {"seed": self.root.name, "arrays_crc32": files.crc32(self._arrays)}
        files.write_sealed_json(self._results, {**results, **seals})
        shutil.rmtree(self.subspace, ignore_errors=True)

    @property
    def finished(self) -> bool:
        """Whether the seed's results are there."""
        return self._results.exists()

    def results(self) -> dict[str, Any]:
        """The seed's numbers.

        Raises:
          ValueError: the file is damaged or another seed's; the message names it.
        """
        sealed = self._sealed_results()
        del sealed["seed"], sealed["arrays_crc32"]
        return sealed

    def _sealed_results(self) -> dict[str, Any]:
        sealed = files.read_sealed_json(self._results)
        if sealed.get("seed") != self.root.name:
            raise ValueError(
                f"{self._results} holds the results of {sealed.get('seed')}; {_REMAKE}"
            )
        return sealed

    def arrays(self) -> dict[str, np.ndarray]:
        """The seed's arrays for figures.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: the file is damaged; the message names it.
        """
        if files.crc32(self._arrays) != self._sealed_results()["arrays_crc32"]:
            raise ValueError(
                f"{self._arrays} is damaged: it does not match its checksum in "
                f"{self._results.name}; {_REMAKE}"
            )
        with np.load(self._arrays, allow_pickle=False) as archive:
            return files.Fields(self._arrays, archive)

    @property
    def _results(self) -> pathlib.Path:
        return self.root / "results.json"

    @property
    def _arrays(self) -> pathlib.Path:
        return self.root / "arrays.npz"
