"""The hook that lets estimators follow a run: updated at records, tested beside it.

Nothing flows back, and no chunk ends earlier for it: training is bitwise the same with
and without. Each estimator is updated by one program for all seeds, which is donated
its state; the states are saved with the run.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import host, processes, runs, sharding, train
from cmd_jax.train.compilation import jit
from cmd_jax.train.metrics import Row
from cmd_jax.trajectory import Estimator, Trajectory
from cmd_jax.types import Key, Params, PyTree
from experiments.configured import estimators
from experiments.configured.devices import state_sharding
from experiments.configured.programs import make_reestimate
from experiments.configured.setup import Setup


class Followed(NamedTuple):
    """What a seed's estimators are at one step; a pytree.

    Attributes:
      states: by name. Before its warm-up is fitted, an estimator of CMD has none.
      accuracy: by name, on the test set: one number for each evaluation of the run, NaN
        where there is none (yet).
    """

    states: dict[str, PyTree]
    accuracy: dict[str, np.ndarray]


class Following:
    """Estimators beside the training of some seeds; a hook of the loop.

    It is called after the recorder, whose records the warm-ups are read from.

    Args:
      setup: from `prepare`; `estimators.check` has passed it.
      directories: of the seeds, in the order of the states.
      keys: their root keys.
    """

    def __init__(
        self,
        setup: Setup,
        directories: Sequence[runs.SeedDirectory],
        keys: Sequence[Key],
    ):
        self._setup = setup
        self._directories = directories
        self._keys = keys
        self._options = estimators.following(setup)
        # Their functions hold no arrays but `init`, and so are all seeds'.
        self._estimators: dict[str, Estimator] = {}
        self._reestimate = make_reestimate(setup)
        self._followed: list[Followed] = []

    def begin(self, states: train.States) -> None:
        """Begins at step 0, with every seed's state."""
        self._followed = [
            self._new(seed, state.params, 0) for seed, state in enumerate(states)
        ]

    def template(self, step: int) -> list[Followed]:
        """What `saved` gives at a step, with other values.

        A warm-up that has ended is fitted anew, from the records: only the fit knows
        how many modes there are.
        """
        lies = state_sharding(self._setup.mesh)
        zeros = jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), self._setup.template.params
        )
        params = sharding.place(zeros, lies)
        return [
            sharding.place(self._new(seed, params, step), lies)
            for seed in range(len(self._keys))
        ]

    @property
    def saved(self) -> list[Followed]:
        """What a checkpoint holds of the estimators."""
        return sharding.place(self._followed, state_sharding(self._setup.mesh))

    def restore(self, saved: Sequence[Followed]) -> None:
        """Goes on from what a checkpoint holds."""
        self._followed = [
            followed._replace(accuracy=host.fetch(followed.accuracy))
            for followed in saved
        ]

    def estimates(self, seed: int) -> Iterator[tuple[str, Params]]:
        """Name and parameters of each estimator of a seed (its position) that began."""
        for name, state in self._followed[seed].states.items():
            yield name, jit(self._estimators[name].params)(state)

    def state(self, seed: int, name: str) -> PyTree:
        """The state of a seed's (its position) estimator that has begun."""
        return self._followed[seed].states[name]

    def accuracy(self, seed: int) -> dict[str, np.ndarray]:
        """The test accuracies of a seed (its position), see `Followed`."""
        accuracy = self._followed[seed].accuracy
        return {name: accuracy[name] for name in self._options}

    def next_due(self, step: int) -> int | None:
        """The next record."""
        return self._setup.schedule.next_due(step)

    def __call__(self, step: int, states: train.States, metrics: Any) -> None:
        """Updates what is due at a record, and begins what has its warm-up."""
        del metrics
        if step not in self._setup.schedule or not self._options:
            return
        processes.agree(False)  # the primary has written the record
        for seed, state in enumerate(states):
            self._follow(seed, state.params, self._record(step))

    def _follow(self, seed: int, params: Params, record: int) -> None:
        states = self._followed[seed].states
        for name, options in self._options.items():
            if record % options.every_records:
                continue
            if name in states:
                update = _compiled(self._estimators[name].update)
                states[name] = update(states[name], params)
            elif self._has_begun(name, record):
                states[name] = self._begin(seed, name, params)

    def evaluate(self, step: int, states: train.States) -> list[Row]:
        """Tests every seed's estimates, in one fetch: its row by estimator and split.

        Running statistics are re-estimated, for they belong to other weights.
        """
        if not self._options:
            return [{}] * len(states)
        tested = host.fetch(
            [self._test(seed, step, state.state) for seed, state in enumerate(states)]
        )
        rows = [{name: float(x) for name, x in row.items()} for row in tested]
        number = -(-step // self._every_steps) - 1
        for followed, row in zip(self._followed, rows, strict=True):
            for name, accuracies in followed.accuracy.items():
                accuracies[number] = row.get(f"{name}/test/accuracy", np.nan)
        return rows

    def _test(self, seed: int, step: int, state: PyTree) -> Row:
        record = self._record(step)
        row = {}
        for name, params in self.estimates(seed):
            if record >= self._options[name].every_records:
                statistics = self._reestimate(params, state)
                for split, evaluate in self._setup.evaluations.items():
                    for metric, value in evaluate(params, statistics).items():
                        row[f"{name}/{split}/{metric}"] = value
        return row

    def _new(self, seed: int, params: Params, step: int) -> Followed:
        """A seed's estimators at a step, as if they had seen nothing but warm-ups."""
        record = self._record(step)
        states = {
            name: self._begin(seed, name, params)
            for name in self._options
            if self._has_begun(name, record)
        }
        number = -(-self._setup.num_steps // self._every_steps)
        untested = {name: np.full(number, np.nan, np.float32) for name in self._options}
        return Followed(states, untested)

    def _begin(self, seed: int, name: str, params: Params) -> PyTree:
        if estimators.is_fitted(name):
            recorded = Trajectory.open(self._directories[seed].trajectory, like=params)
            estimator = estimators.fit_warmup(
                self._setup, name, recorded, key=self._keys[seed]
            )
        else:
            estimator = estimators.create_average(name, self._options[name])
        self._estimators[name] = estimator
        return sharding.place(estimator.init(params), state_sharding(self._setup.mesh))

    def _has_begun(self, name: str, record: int) -> bool:
        """Whether an estimator has a state at a record; an average has it from 0 on."""
        if not estimators.is_fitted(name):
            return True
        return record >= estimators.first_record(name, self._options[name])

    def _record(self, step: int) -> int:
        """The number of the last record at a step; the initialisation is 0."""
        return self._setup.schedule.number(step)

    @property
    def _every_steps(self) -> int:
        return self._setup.config.eval.every_epochs * self._setup.steps_per_epoch


@functools.cache
def _compiled(update: Callable[[PyTree, Params], PyTree]) -> Callable:
    """An estimator's update, donated the state."""

    def update_apart(state: PyTree, params: Params) -> PyTree:
        # A leaf that is only carried may not be one that training goes on to donate.
        return update(state, jax.tree.map(jnp.copy, params))

    return jit(update_apart, donate_argnums=0)
