"""The transfers of a pair by every method, and training at their cost."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from cmd_jax import host, rng, train, transfer
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.types import Array, Key, Params, PyTree
from experiments.configured.programs import initial_states, make_chunk
from experiments.configured.setup import Setup
from experiments.transfer.checks import record_stride


def carry(
    setup: Setup,
    source: StoredTrajectory,
    target: StoredTrajectory,
    state: PyTree,
    *,
    key: Key,
) -> dict[str, transfer.Transfer]:
    """The transfer by every method, in the order to show; they share the batches."""
    options = setup.config.transfer
    groups = find_groups(setup, target[0], state)
    path = {name: options[name] for name in ("num_steps", "path", "shares")}
    if options.path == "recorded":
        source = source[:: record_stride(len(source), options.num_steps)]
    batches = make_batches(setup, key=key)
    known: dict[int, Any] = {}
    found = {
        method: transfer.transfer(
            source,
            target[0],
            groups,
            setup.objective,
            batches,
            state,
            method=method,
            source_gradients=known,
            **path,
            key=key,
        )
        for method in ("naive", "gmt", "fgmt")
    }
    return {**found, "oracle": transfer.oracle(source, target, groups, **path)}


def find_groups(
    setup: Setup, params: Params, state: PyTree
) -> transfer.PermutationGroups:
    """The permutation groups of the network's parameters."""

    def logits(variables: tuple[Params, PyTree], inputs: Array) -> Array:
        return setup.network.apply(*variables, inputs, train=False)[0]

    inputs = setup.preprocess(setup.dataset.train.inputs[:2])
    return transfer.permutation_groups(logits, (params, state), inputs).within("0")


def make_batches(setup: Setup, *, key: Key) -> PyTree | Callable[[int, int], PyTree]:
    """The batches of the gradients, with the transforms of training.

    A pytree of leaves [num_steps, micro, batch, ...]; a function where every pair of
    gradients has a batch of its own.
    """
    options, examples = setup.config.transfer, setup.dataset.train

    def draw(s: int, t: int) -> PyTree:
        shape = (options.num_micro, options.batch_size)
        drawn = rng.generator(rng.stream(key, "batch", s, t)).choice(
            len(examples.labels), np.prod(shape), replace=False
        )
        inputs = []  # fetched one by one: all of a large network's fill a device
        for number, rows in enumerate(drawn.reshape(shape)):
            augment = rng.stream(key, "augment", s, t, number)
            chosen = examples.inputs[rows]
            micro = setup.preprocess(chosen, train=True, key=augment)
            inputs.append(host.fetch(micro))
        labels = examples.labels[drawn.reshape(shape)]
        return {"inputs": np.stack(inputs), "labels": labels}

    if options.resample:
        return draw
    batches = [draw(0, t) for t in range(1, options.num_steps + 1)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)


def from_scratch(setup: Setup, key: Key) -> train.TrainState:
    """The target trained on as many images as FGMT takes gradients of."""
    options, config = setup.config.transfer, setup.config
    num_images = 2 * options.num_steps * options.num_micro * options.batch_size
    num_steps = min(setup.num_steps, max(1, num_images // config.train.batch_size))
    (state,), _ = train.train(
        initial_states(setup, [key]),
        make_chunk(setup, [key]),
        (),
        start_step=0,
        num_steps=num_steps,
        steps_per_epoch=setup.steps_per_epoch,
        chunk_steps=config.train.chunk_steps,
    )
    return state
