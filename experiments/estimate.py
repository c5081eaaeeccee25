"""What a run will cost, measured on this machine before it starts (`--dry_run`)."""

import time
from collections.abc import Callable

import jax

from cmd_jax import runs, trees
from experiments import branch, progress
from experiments.setup import (
    Setup,
    initial_states,
    make_chunk,
    record_bytes,
)

_STEPS = 10


def describe(setup: Setup, directory: runs.RunDirectory) -> None:
    """Prints parameters, steps, history, time and directory; writes nothing."""
    num_seeds, num_records = len(setup.seeds), len(setup.schedule)
    history = num_records * record_bytes(setup)
    evaluations = 1 + -(
        -setup.config.train.total_epochs // setup.config.eval.every_epochs
    )
    step_seconds, evaluation_seconds = measure(setup)
    seconds = setup.num_steps * step_seconds + evaluations * evaluation_seconds
    rows = (
        ("parameters", f"{trees.count(setup.template.params):,}"),
        ("seeds", ", ".join(map(str, setup.seeds))),
        ("steps", f"{setup.num_steps:,} ({setup.steps_per_epoch} an epoch)"),
        ("records", f"{num_records} a seed"),
        (
            "history",
            f"{history / 1e6:,.1f} MB a seed, {num_seeds * history / 1e6:,.1f} MB",
        ),
        ("dispatch", setup.dispatch),
        ("training", f"about {progress.duration(seconds)} on this machine"),
        ("directory", str(directory.root)),
    )
    if setup.config.branch.run:
        rows += (("branch", branch.describe(setup.config)),)
    for name, value in rows:
        progress.say(f"{name:<12}{value}")


def measure(setup: Setup) -> tuple[float, float]:
    """Seconds of one optimizer step, and of one evaluation, of all seeds together."""
    keys = [jax.random.key(seed) for seed in setup.seeds]
    states = initial_states(setup, keys)

    def evaluate() -> None:
        for state in states:
            for evaluation in setup.evaluations.values():
                jax.block_until_ready(evaluation(state.params, state.state))

    evaluation_seconds = _seconds(evaluate)
    chunk = make_chunk(setup, keys)
    steps = min(_STEPS, setup.steps_per_epoch, setup.config.train.chunk_steps)

    def run() -> None:
        fresh = jax.tree.map(lambda x: x.copy(), states)
        jax.block_until_ready(chunk(fresh, steps))

    return _seconds(run) / steps, evaluation_seconds


def _seconds(function: Callable[[], None]) -> float:
    function()  # compiles
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
