"""What a run will cost, measured on this machine before it starts."""

import math
import time
from collections.abc import Sequence

import jax

from cmd_jax import processes, runs, train, trees
from experiments.configured import branch, estimators, pretrained, recording
from experiments.configured.programs import initial_states, make_chunk
from experiments.configured.setup import Setup
from experiments.process import progress

_STEPS = 10
_SHORT = 0.1  # seconds: a shorter step is timed as one of `_STEPS`
_LONG = 3600.0  # seconds: a longer run comes with what is quicker


def describe(setup: Setup, name: str, directory: runs.RunDirectory) -> None:
    """Prints parameters, steps, history, time and directory; writes nothing."""
    num_seeds, num_records = len(setup.seeds), len(setup.schedule)
    params = setup.template.params
    history = num_records * recording.num_bytes(setup.config.record, params)
    seconds = measure(setup)
    rows = (
        ("parameters", f"{trees.count(params):,}"),
        ("seeds", ", ".join(map(str, setup.seeds))),
        ("steps", f"{setup.num_steps:,} ({setup.steps_per_epoch} an epoch)"),
        ("records", f"{num_records} a seed"),
        (
            "history",
            f"{history / 1e6:,.1f} MB a seed, {num_seeds * history / 1e6:,.1f} MB",
        ),
        ("dispatch", setup.dispatch),
        ("training", _about(seconds)),
        *_quicker(setup, name, seconds),
        ("directory", str(directory.root)),
    )
    if setup.config.branch.run:
        rows += (("branch", branch.describe(setup.config)),)
    if setup.config.branch.weights:
        rows += (("weights", pretrained.describe(setup.config)),)
    for label, value in rows:
        progress.say(f"{label:<12}{value}")


def measure(setup: Setup) -> float:
    """Seconds of training all seeds from the start, by a few steps of them."""
    keys = [jax.random.key(seed) for seed in setup.seeds]
    return training_seconds(setup, make_chunk(setup, keys), initial_states(setup, keys))


def announce(
    setup: Setup, name: str, chunk: train.Chunk, states: train.States, *, start: int
) -> None:
    """Says how long the training will take, and what is quicker where that is long.

    The chunk is the one that trains afterwards: it is compiled here, once.
    """
    if start < setup.num_steps:
        seconds = training_seconds(setup, chunk, states, start=start)
        progress.say(f"training takes {_about(seconds)}")
        for label, value in _quicker(setup, name, seconds):
            progress.say(f"{label}: {value}")


def training_seconds(
    setup: Setup, chunk: train.Chunk, states: train.States, *, start: int = 0
) -> float:
    """Seconds of training all seeds from the step `start`, with its evaluations.

    An evaluation tests the network and each estimator that follows it; to test an image
    is taken for a third of training on it, which has a forward pass and a backward pass
    of twice its work. Steps are timed on a copy of the states.
    """
    config = setup.config
    epochs = (setup.num_steps - start) / setup.steps_per_epoch
    networks = 1 + len(estimators.following(setup))
    evaluations = 1 + networks * epochs / config.eval.every_epochs
    dataset = setup.dataset
    tested = len(dataset.test.labels) + len(dataset.validation.labels)
    steps = setup.num_steps - start
    steps += evaluations * tested / (3 * config.train.batch_size)
    return steps * _step_seconds(setup, chunk, states)


def _step_seconds(setup: Setup, chunk: train.Chunk, states: train.States) -> float:
    """Seconds of one optimizer step of all seeds together."""

    def run(steps: int) -> float:
        copied = jax.tree.map(lambda x: x.copy(), states)
        began = time.perf_counter()
        jax.block_until_ready(chunk(copied, steps))
        return (time.perf_counter() - began) / steps

    run(1)  # compiles
    seconds = run(1)
    if processes.agree(seconds > _SHORT):  # every process takes the same steps
        return seconds
    return run(min(_STEPS, setup.steps_per_epoch, setup.config.train.chunk_steps))


def _about(seconds: float) -> str:
    return f"about {progress.duration(math.ceil(seconds))} on this machine"


def _quicker(setup: Setup, name: str, seconds: float) -> Sequence[tuple[str, str]]:
    """What to run instead where `seconds` are many."""
    if seconds <= _LONG:
        return ()
    rows = [("in seconds", f"--config {name}:smoke")]
    if setup.config.quick:
        rows.append(("in minutes", f"--config {setup.config.quick}"))
    return rows
