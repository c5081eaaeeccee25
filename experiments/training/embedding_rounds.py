"""The rounds of embedded CMD in a run: between two chunks, where a record was written.

A checkpoint of the step of a round holds the states before it. So a run that goes on
from there begins with the round, as an uninterrupted one does, and is the same bit by
bit.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from cmd_jax import modes, runs, sharding, train, trees
from cmd_jax.train.compilation import jit
from cmd_jax.trajectory import Trajectory
from cmd_jax.types import Key, PyTree
from experiments.configured import embedding, estimators
from experiments.configured.devices import state_sharding
from experiments.configured.setup import Setup
from experiments.training.following import Following


class Rounds:
    """What happens to the states of some seeds where weights are embedded.

    Args:
      setup: from `prepare`; without a block `embedding` nothing ever happens.
      following: the estimators, of which online CMD is embedded.
      directories: of the seeds, in the order of the states.
      keys: their root keys.
    """

    def __init__(
        self,
        setup: Setup,
        following: Following,
        directories: Sequence[runs.SeedDirectory],
        keys: Sequence[Key],
    ):
        self._setup = setup
        self._following = following
        self._directories = directories
        self._keys = keys
        asked = embedding.is_asked_for(setup.config)
        self._rule = embedding.rule(setup.config) if asked else None
        self._follow = jit(modes.follow_references)

    def next_after(self, step: int) -> int:
        """The next step at which something happens, or the last of the run."""
        steps = self._setup.schedule.steps
        later = (s for s in steps if s > step and self._happens(s))
        return next(later, self._setup.num_steps)

    def apply(self, step: int, states: train.States) -> train.States:
        """The states that training goes on with after a step."""
        if not self._happens(step):
            return states
        record = self._record(step)
        return tuple(
            self._embed(seed, state, record) for seed, state in enumerate(states)
        )

    def _happens(self, step: int) -> bool:
        """Whether a step has a round, or ends the warm-up."""
        if self._rule is None or step not in self._setup.schedule:
            return False
        every = self._setup.config.estimators.online.every_records
        if self._setup.schedule.number(step) % every:
            return False
        record = self._record(step)
        return record == self._rule.warmup_records or self._rule.is_due(record)

    def _record(self, step: int) -> int:
        number = self._setup.schedule.number(step)
        return embedding.fitted_record(self._setup.config, number)

    def _embed(
        self, seed: int, state: train.TrainState, record: int
    ) -> train.TrainState:
        assert self._rule is not None
        if record == self._rule.warmup_records:
            embedded = self._begin(seed, state)
        else:
            embedded = modes.embed_settled(
                state.optimizer_state.embedding,
                self._following.state(seed, "online"),
                self._rule,
                record=record,
            )
        embedded = sharding.place(embedded, state_sharding(self._setup.mesh))
        if self._setup.config.embedding.treatment != "snap":
            params = self._follow(embedded, state.params)
            state = state._replace(params=params)
        return state._replace(optimizer_state=_replace(state.optimizer_state, embedded))

    def _begin(self, seed: int, state: train.TrainState) -> modes.Embedding:
        recorded = Trajectory.open(
            self._directories[seed].trajectory, like=state.params
        )
        decomposition = estimators.decompose_warmup(
            self._setup, "online", recorded, key=self._keys[seed]
        )
        scaled = state.optimizer_state.embedding.scale is not None
        return modes.begin_embedding(decomposition, state.params, scaled=scaled)


def _replace(optimizer_state: Any, embedded: modes.Embedding) -> Any:
    if isinstance(optimizer_state, modes.TiedState):
        return modes.tie(optimizer_state, embedded)
    return optimizer_state._replace(embedding=embedded)


def template(setup: Setup, step: int) -> train.TrainState:
    """A seed's state in the checkpoint of a step, as shapes."""
    state = setup.template.optimizer_state
    if not isinstance(state, modes.TiedState):
        return setup.template
    number = num_free(setup, step)

    def cut(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        shape = (number,) if leaf.shape == state.free.shape else leaf.shape
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=leaf.sharding)

    inner, free = jax.tree.map(cut, (state.inner, state.free))
    return setup.template._replace(
        optimizer_state=state._replace(inner=inner, free=free)
    )


def num_free(setup: Setup, step: int) -> int:
    """How many weights were free in the training step that ended at `step`."""
    record = embedding.fitted_record(setup.config, setup.schedule.number(step - 1))
    num_weights = trees.count(setup.template.params)
    return num_weights - embedding.rule(setup.config).num_embedded(
        record, num_weights=num_weights, num_modes=setup.config.modes.num_modes
    )


def memory(optimizer_state: PyTree) -> int:
    """Bytes of the optimizer's own memory, without what the embedding needs."""
    leaves = jax.tree.leaves(optimizer_state.inner)
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
