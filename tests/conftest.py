"""Fixtures that every folder of tests may use."""

import os
import pathlib
import socket

import jax
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs
from cmd_jax.trajectory import Trajectory, TrajectoryWriter


@pytest.fixture
def key() -> jax.Array:
    """A PRNG key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def repository() -> pathlib.Path:
    """The root of the checkout."""
    return pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_folder() -> pathlib.Path:
    """The folder of the real data sets; the test is skipped where there is none."""
    folder = os.environ.get("CMD_JAX_DATA")
    if not folder:
        pytest.skip("needs real data: set CMD_JAX_DATA to the folder that holds it")
    return pathlib.Path(folder)


@pytest.fixture
def coordinator() -> str:
    """An address where the first of several processes can wait for the others."""
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return f"localhost:{server.getsockname()[1]}"


ENVIRONMENT = {
    "command": "python experiments/run.py --config digits",
    "commit": "0123456789abcdef",
    "python": "3.11.7",
    "versions": {"cmd_jax": "0.1.0", "jax": "0.10.2"},
    "devices": ["cpu"],
    "cores": 2,
    "processor": "A processor",
}


@pytest.fixture
def make_run(repository, tmp_path):
    """`make_run(root, {seed: {method: accuracy}}, **fields)`: a finished run.

    The fields override those of the config `digits`, with "__" for a dot.
    """

    def make(root, accuracies, name="digits", environment=ENVIRONMENT, **fields):
        config = configs.load(repository / "configs" / f"{name}.py")
        config.update_from_flattened_dict(
            {field.replace("__", "."): value for field, value in fields.items()}
        )
        directory = runs.RunDirectory(tmp_path / root)
        values = configs.to_dict(config)
        digest = configs.digest(config)
        directory.create({"name": name, "hash": digest, "config": values})
        directory.write_environment(environment, list(accuracies) or [0])
        for seed, accuracy in accuracies.items():
            fit = dict.fromkeys(("r_squared", "correlation"), 0.75)
            null = {f"null_{metric}": 0.5 for metric in fit}
            results = {"accuracy": accuracy, "statistics": "none", **fit, **null}
            curves = {f"accuracy_{m}": np.array([0.5, x]) for m, x in accuracy.items()}
            directory.seed(seed).finish(
                results, {"evaluated_epochs": np.arange(2), **curves}
            )
        return directory

    return make


@pytest.fixture
def make_walks():
    """Histories [records, weights] of random walks around `size`, float32."""

    def make(num_records, num_weights, *, size=0.0, seed=0):
        generator = np.random.default_rng(seed)
        walks = generator.standard_normal((num_records, num_weights)).cumsum(axis=0)
        signs = generator.choice([-1.0, 1.0], num_weights)
        return (walks + size * signs * walks.std()).astype(np.float32)

    return make


@pytest.fixture
def as_tree():
    """A trajectory of nested leaves whose raveled columns are those of a history."""

    def make(history):
        records, weights = history.shape
        cut = weights // 3
        matrix = history[:, cut : cut + (weights - cut) // 2 * 2]
        return Trajectory(
            {
                "a": history[:, :cut].copy(),
                "b": {"kernel": matrix.reshape(records, 2, -1).copy()},
                "c": history[:, cut + matrix.shape[1] :].copy(),
            },
            np.arange(records) * 10,
        )

    return make


@pytest.fixture
def store(tmp_path):
    """Writes a trajectory to disk and opens it."""

    def write(trajectory, **options):
        path = tmp_path / "trajectory"
        writer = TrajectoryWriter.create(path, trajectory[0], **options)
        for record, step in enumerate(trajectory.steps.tolist()):
            writer.append(step, trajectory[record])
        return Trajectory.open(path, like=trajectory[0])

    return write
