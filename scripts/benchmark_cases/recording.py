"""Recording: what a record costs above the bytes that it writes."""

import atexit
import itertools
import pathlib
import tempfile

import jax
import numpy as np

from benchmark_cases.case import Case, Work
from cmd_jax import files, models, train
from cmd_jax.trajectory import Recorder, Schedule, TrajectoryWriter


def resnet18_record() -> Work:
    """One record of ResNet18 from the device, against one append of its bytes."""
    folder = tempfile.TemporaryDirectory(prefix="cmd_jax_benchmark_")
    atexit.register(folder.cleanup)
    state = resnet18_state()
    writer = TrajectoryWriter.create(pathlib.Path(folder.name) / "t", state.params)
    steps = itertools.count(1)
    recorder = Recorder([writer], Schedule(tuple(range(10_000))))
    plain = pathlib.Path(folder.name) / "plain.bin"
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]
    content = memoryview(b"".join(leaf.tobytes() for leaf in leaves))
    return Work(
        reference=lambda: files.append(plain, content),
        case=lambda: recorder(next(steps), [state], metrics=[]),
        counts={"GB": len(content) / 1e9},
        note="one append and fsync",
    )


def resnet18_state() -> train.TrainState:
    """ResNet18 before training."""
    network = models.create("resnet18", num_classes=10)
    optimizer = train.create_optimizer("sgd", learning_rate=0.05, num_steps=1)
    initial = train.jit_once(
        lambda key: train.initial_state(
            network, optimizer, jax.numpy.zeros((1, 32, 32, 3)), key=key
        )
    )
    return jax.block_until_ready(initial(jax.random.key(0)))


CASES = (
    Case(
        "record",
        "recording ResNet18 once, against one append and fsync of its bytes",
        "at most",
        bar=2,
        aim=1.2,
        setup=resnet18_record,
    ),
)
