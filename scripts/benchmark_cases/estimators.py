"""Estimators: what following a run costs beside training it."""

import timeit
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmark_cases.case import Case, Work
from benchmark_cases.training import (
    BATCH_SIZE,
    NUM_STEPS,
    STEPS_PER_EPOCH,
    lenet5,
    whole_loop,
)
from cmd_jax import baselines, models, modes
from cmd_jax.trajectory import Estimator, Trajectory
from cmd_jax.types import Params

NUM_MODES = 10
NUM_FITTED = 3  # records; how many makes no difference to an update
UPDATE_BYTES = (
    25  # of a weight: reads w, origin, label, mean and C, writes the last two
)
NUM_UPDATES = 20  # in a timing of the cheap ones


def online_update() -> Work:
    """One update of ResNet18's weights, against `x + 1` that moves the same bytes."""
    records = random_walk("resnet18", NUM_FITTED + 1)
    decomposition = decompose(records[:NUM_FITTED])
    num_weights = decomposition.counts.sum() + decomposition.num_constant
    return Work(
        reference=following(_plain(int(num_weights) * UPDATE_BYTES // 8), {}),
        case=following(modes.online(decomposition), records[NUM_FITTED]),
        counts={"GB": float(num_weights) * UPDATE_BYTES / 1e9},
        note=f"{num_weights / 1e6:.1f} M weights, both donated",
    )


def _plain(num_numbers: int) -> Estimator:
    num_numbers -= num_numbers % 16  # XLA is four times as slow off whole cache lines
    return Estimator(
        init=lambda params: jnp.zeros(num_numbers, jnp.float32),
        update=lambda state, params: state + 1,
        params=lambda state: state,
    )


def following(estimator: Estimator, params: Params) -> Callable[[], Any]:
    """Updates an estimator with the same parameters again and again."""
    update = jax.jit(estimator.update, donate_argnums=0)
    params = jax.tree.map(jnp.asarray, params)
    state = estimator.init(params)

    def run() -> Any:
        nonlocal state
        state = update(state, params)
        return jax.block_until_ready(state)

    return run


def all_estimators() -> Work:
    """An update of each estimator on LeNet-5, against an epoch of its training."""
    records = random_walk("lenet5", NUM_FITTED + 1)
    updates = [
        following(estimator, records[NUM_FITTED])
        for estimator in (
            baselines.ema(decay=0.9),
            baselines.swa(),
            baselines.lawa(num_records=10),
            modes.online(decompose(records[:NUM_FITTED])),
            modes.online(decompose(records[:NUM_FITTED], method="random_references")),
        )
    ]
    train = whole_loop(*lenet5(), num_steps=NUM_STEPS)
    milliseconds([train, *updates])  # compiles
    return Work(
        reference=lambda: milliseconds([train]) * STEPS_PER_EPOCH / NUM_STEPS,
        case=lambda: milliseconds(updates, number=NUM_UPDATES),
        note=f"an epoch is taken as {STEPS_PER_EPOCH / NUM_STEPS:.0f} times "
        f"{NUM_STEPS} steps of {BATCH_SIZE}; EMA, SWA, LAWA of 10, online CMD twice",
        unit="ms",
    )


def milliseconds(calls: Sequence[Callable[[], Any]], number: int = 1) -> float:
    """How long one round of all calls takes, on average over `number` rounds."""
    return (
        1e3 * timeit.timeit(lambda: [call() for call in calls], number=number) / number
    )


def random_walk(model: str, num_records: int) -> Trajectory:
    """A trajectory in which every weight of a network walks at random."""
    network, inputs = models.create(model, num_classes=10), jnp.zeros((1, 32, 32, 3))
    template, _ = jax.eval_shape(network.init, jax.random.key(0), inputs)
    generator = np.random.default_rng(0)

    def walk(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        shape = (num_records, *leaf.shape)
        steps = generator.standard_normal(shape, dtype=np.float32)
        return steps.cumsum(axis=0)

    return Trajectory(jax.tree.map(walk, template), np.arange(num_records))


def decompose(trajectory: Trajectory, method: str = "k_medoids") -> modes.Decomposition:
    """Modes as in the paper's tables."""
    return modes.decompose(
        trajectory, num_modes=NUM_MODES, method=method, key=jax.random.key(0)
    )


CASES = (
    Case(
        "online_update",
        f"an update of online CMD of ResNet18, {NUM_MODES} modes, against a donated "
        f"x + 1 that moves the same {UPDATE_BYTES} bytes a weight",
        "at most",
        bar=2.5,
        aim=1.5,
        setup=online_update,
    ),
    Case(
        "estimators",
        "an update of every estimator of LeNet-5 against an epoch of its training",
        "at most",
        bar=0.005,
        aim=0.001,
        setup=all_estimators,
    ),
)
