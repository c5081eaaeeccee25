"""What a setup computes: initial states, training steps, re-estimated statistics."""

from collections.abc import Sequence

from cmd_jax import sharding, train
from cmd_jax.types import Key
from experiments.configured.setup import Setup


def initial_states(setup: Setup, keys: Sequence[Key]) -> train.States:
    """Every seed's state before the first step."""
    compiled = train.jit_once(setup.initial)
    states = tuple(compiled(key) for key in keys)
    if setup.mesh is None:
        return states
    return sharding.place(states, sharding.replicated(setup.mesh))


def make_chunk(setup: Setup, keys: Sequence[Key]) -> train.Chunk:
    """The compiled steps of all seeds."""
    return train.make_chunk(
        setup.objective,
        setup.optimizer,
        setup.dataset.train,
        preprocess=lambda images, key: setup.preprocess(images, train=True, key=key),
        batch_size=setup.config.train.batch_size,
        max_steps=min(setup.config.train.chunk_steps, setup.steps_per_epoch),
        dispatch=setup.dispatch,
        vectorize=not setup.network.convolutional,
        keys=keys,
        placement=setup.placement,
        mesh=setup.mesh,
        subset=setup.subset,
    )


def make_reestimate(setup: Setup) -> train.Reestimate:
    """What every network goes through whose weights training did not end with."""
    return train.make_reestimate(
        setup.network,
        setup.dataset.train.inputs[: setup.config.eval.num_statistics or None],
        preprocess=setup.preprocess,
        batch_size=setup.config.train.batch_size,
        dispatch=setup.dispatch,
        mesh=setup.mesh,
    )


def statistics_used(setup: Setup) -> str:
    """What BatchNorm uses where a re-estimated network is tested, in words."""
    kind = setup.config.model.get("statistics")
    if kind is None:
        return "none, the network has no BatchNorm"
    if kind == "batch":
        return f"the test batch's own, batches of {setup.config.eval.batch_size}"
    available = len(setup.dataset.train.labels)
    number = min(setup.config.eval.num_statistics or available, available)
    return (
        f"running, re-estimated on {number:,} training images, batches of "
        f"{min(setup.config.train.batch_size, number)}"
    )
