"""`run.py --export DIR`: the networks of a run's finished seeds as `.safetensors`.

A file is one network, named after its seed; an estimator that follows the training adds
a file of its own, `seed_<n>-<estimator>.safetensors`.
"""

import pathlib
from collections.abc import Iterator

import jax

import cmd_jax
from cmd_jax import runs, trees
from cmd_jax.trajectory import write_safetensors
from cmd_jax.types import Params
from experiments.configured import recording
from experiments.configured.estimators import following
from experiments.configured.setup import Setup
from experiments.process import progress, saved
from experiments.training.following import Following


def check(setup: Setup, folder: pathlib.Path) -> None:
    """Refuses an export that cannot succeed, before the run.

    Raises:
      ValueError: records are no whole networks, or `folder` is a file.
    """
    record = setup.config.record
    if not recording.whole_network(record):
        raise ValueError(
            "--export needs records of the whole network, and this config records "
            f"{recording.selection(record)!r}: leave config.record.pattern and "
            "config.record.num_weights at their defaults"
        )
    if setup.config.model.get("encoder") == "autoencoder":
        raise ValueError(
            "--export writes recorded parameters, and config.model.encoder is "
            "'autoencoder', a frozen encoder that is none; allowed is 'learned'"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--export={folder} is a file; give a folder")


def write(setup: Setup, directory: runs.RunDirectory, folder: pathlib.Path) -> None:
    """Writes the last record of every finished seed, and what its estimators ended as.

    Args:
      setup: of the run.
      directory: its run directory.
      folder: made where it does not exist; files of the same names are replaced.

    Raises:
      ValueError: records are lost; or estimators followed, and the checkpoint of the
        last step is gone.
    """
    config = directory.config()
    for seed in directory.finished_seeds():
        recorded = recording.open_recorded(directory.seed(seed), setup.template.params)
        metadata = {
            "config": config["name"],
            "hash": config["hash"],
            "seed": str(seed),
            "step": str(recorded.steps[-1]),
            "cmd_jax": cmd_jax.__version__,
        }
        networks = [(f"seed_{seed}", recorded[-1])]
        for name, params in _estimates(setup, directory, seed):
            networks.append((f"seed_{seed}-{name}", params))
        for name, params in networks:
            path = folder / f"{name}.safetensors"
            write_safetensors(path, params, metadata)
            progress.say(f"exported: {path}")


def _estimates(
    setup: Setup, directory: runs.RunDirectory, seed: int
) -> Iterator[tuple[str, Params]]:
    """The estimates of a finished seed, from its last checkpoint."""
    if not following(setup):
        return
    step = setup.num_steps
    found = saved.read_followed(directory, seed, step)
    if found is None:
        raise ValueError(
            f"{directory.root} has no checkpoint of step {step} of seed {seed}, and so "
            "no estimators to export; set their every_records=0, or begin anew"
        )
    alone = setup._replace(mesh=None)  # the primary exports while others are done
    followed = Following(alone, [directory.seed(seed)], [jax.random.key(seed)])
    (template,) = followed.template(step)
    leaves = dict(zip(trees.leaf_names(found), jax.tree.leaves(found), strict=True))
    values = [leaves[name] for name in trees.leaf_names(template)]
    followed.restore([jax.tree.unflatten(jax.tree.structure(template), values)])
    yield from followed.estimates(0)
