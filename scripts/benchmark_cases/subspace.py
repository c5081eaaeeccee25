"""P-BFGS: what a step costs beside the gradient and the line search's evaluations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmark_cases.case import Case, Work
from benchmark_cases.estimators import milliseconds, random_walk
from benchmark_cases.training import lenet5
from cmd_jax import baselines, data, train
from cmd_jax.baselines import BFGSState, RestrictedState
from cmd_jax.train.compilation import jit
from cmd_jax.types import Array

NUM_DIRECTIONS, BATCH_SIZE = 40, 1024
OVERHEAD = 2  # gradients of a step beyond the evaluations of its line search


def bfgs_step() -> Work:
    """A step of P-BFGS on LeNet-5, against the gradient of the same batch."""
    network, _, dataset = lenet5()
    objective, key = train.cross_entropy(network), jax.random.key(0)
    batch = {
        "inputs": data.augmenter(dataset)(dataset.train.inputs[:BATCH_SIZE]),
        "labels": jnp.asarray(dataset.train.labels[:BATCH_SIZE]),
    }
    params, state = network.init(key, batch["inputs"][:1])
    gradient = jit(jax.grad(objective, has_aux=True))
    walk = random_walk("lenet5", NUM_DIRECTIONS + 1)
    subspace = baselines.principal_subspace(walk, num_directions=NUM_DIRECTIONS)
    subspace = jax.device_put(subspace._replace(origin=params))
    inside = RestrictedState(state, subspace)
    step, start = _step(objective), jnp.zeros(NUM_DIRECTIONS)
    memory = baselines.bfgs().init(start)

    def whole_gradient() -> Any:
        return jax.block_until_ready(gradient(params, state, batch, key))

    def one_step() -> Any:
        return jax.block_until_ready(step(start, memory, inside, batch, key))

    trials = int(one_step()[1].num_trials)
    whole_gradient()  # compiles
    return Work(
        reference=lambda: milliseconds([whole_gradient]) * (trials + OVERHEAD),
        case=lambda: milliseconds([one_step]),
        note=f"batch {BATCH_SIZE}, {NUM_DIRECTIONS} directions; the line search "
        f"evaluates {trials} times, and the reference is {trials + OVERHEAD} gradients",
        unit="ms",
    )


def _step(objective: train.Objective) -> Callable[..., tuple[Array, BFGSState]]:
    optimizer, restricted = baselines.bfgs(), baselines.restrict(objective)

    def step(
        coordinates: Array, memory: BFGSState, *rest: Any
    ) -> tuple[Array, BFGSState]:
        both = jax.value_and_grad(restricted, has_aux=True)
        (value, _), gradient = both(coordinates, *rest)
        return optimizer.update(
            gradient,
            memory,
            coordinates,
            value=value,
            value_fn=lambda coordinates: restricted(coordinates, *rest)[0],
        )

    return jit(step)


CASES = (
    Case(
        "bfgs_step",
        "a step of P-BFGS on LeNet-5 against as many gradients of the same batch as "
        f"its line search evaluates, and {OVERHEAD}",
        "at most",
        bar=1,
        aim=0.7,
        setup=bfgs_step,
    ),
)
