"""`run.py --export DIR`: the networks of a run's finished seeds as `.safetensors`.

A file is one network, named after its seed; an estimator that a study evaluates beside
training adds a file of its own, `seed_<n>-<estimator>.safetensors`.
"""

import pathlib

import cmd_jax
from cmd_jax import runs
from cmd_jax.trajectory import Trajectory, write_safetensors
from experiments import progress
from experiments.setup import Setup, records_whole_network, selection


def check(setup: Setup, folder: pathlib.Path) -> None:
    """Refuses an export that cannot succeed, before the run.

    Raises:
      ValueError: a record is no whole network, or `folder` is a file.
    """
    if not records_whole_network(setup):
        raise ValueError(
            "--export needs records of the whole network, and this config records "
            f"{selection(setup.config.record)!r}: leave config.record.pattern and "
            "config.record.num_weights at their defaults"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--export={folder} is a file; give a folder")


def write(setup: Setup, directory: runs.RunDirectory, folder: pathlib.Path) -> None:
    """Writes the last record of every finished seed.

    Args:
      setup: of the run.
      directory: its run directory.
      folder: made where it does not exist; files of the same names are replaced.
    """
    config = directory.config()
    for seed in directory.finished_seeds():
        recorded = Trajectory.open(
            directory.seed(seed).trajectory, like=setup.template.params
        )
        path = folder / f"seed_{seed}.safetensors"
        metadata = {
            "config": config["name"],
            "hash": config["hash"],
            "seed": str(seed),
            "step": str(recorded.steps[-1]),
            "cmd_jax": cmd_jax.__version__,
        }
        write_safetensors(path, recorded[-1], metadata)
        progress.say(f"exported: {path}")
