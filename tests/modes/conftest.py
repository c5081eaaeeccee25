import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory, TrajectoryWriter


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
def make_planted():
    """Histories that follow one of some hidden walks exactly, and which one."""

    def make(num_records, num_weights, num_modes, *, noise=0.0):
        generator = np.random.default_rng(1)
        hidden = generator.standard_normal((num_records, num_modes)).cumsum(axis=0)
        modes = generator.integers(0, num_modes, num_weights)
        slope = generator.uniform(0.5, 2, num_weights)
        slope *= generator.choice([-1, 1], num_weights)
        history = slope * hidden[:, modes] + generator.normal(size=num_weights)
        history += noise * generator.standard_normal(history.shape)
        return history.astype(np.float32), modes

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
