"""One training in the subspace of a run's first records: P-SGD or P-BFGS.

P-SGD has momentum 0.9 and a tenth of its learning rate in the last quarter, as in the
DLDR paper (Li et al., TPAMI 2022; its rate is 1), P-BFGS its line search on large
batches. Checkpoints hold the coordinates alone: the subspace is made again from the
records.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from cmd_jax import baselines, host, train
from cmd_jax.baselines import RestrictedState, Subspace
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.report import METHODS
from cmd_jax.train.compilation import jit
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.types import Key
from experiments.configured.programs import make_reestimate
from experiments.configured.setup import Setup
from experiments.correlation_modes import accuracy
from experiments.process import progress
from experiments.process.interruption import RESUME, Interrupted
from experiments.training.group import Trained


class Outcome(NamedTuple):
    """What came of a training in a subspace.

    Attributes:
      accuracy: on the test set at `accuracy.tested_records`; NaN before it began.
      numbers: of the results: directions, and how the line searches went.
      failure: why there is no accuracy at the end; "" where there is one.
    """

    accuracy: Float[np.ndarray, " tested"]
    numbers: Mapping[str, Any]
    failure: str


class Plan(NamedTuple):
    """What is trained, and for how long.

    Attributes:
      name: of the method.
      records: whose subspace it is, the initialisation first.
      num_directions: of the subspace.
      batch_size: of the training.
      steps_per_epoch: in such batches.
      begun: the epoch of the run that the last of the records is at.
      num_steps: of the training, to the run's last epoch.
      learning_rate: of P-SGD; None is P-BFGS.
    """

    name: str
    records: StoredTrajectory
    num_directions: int
    batch_size: int
    steps_per_epoch: int
    begun: int
    num_steps: int
    learning_rate: float | None

    def optimizer(self) -> optax.GradientTransformation:
        """BFGS, or SGD with its schedule."""
        if self.learning_rate is None:
            return baselines.bfgs()
        last_quarter = 3 * self.num_steps // 4
        rate = optax.piecewise_constant_schedule(
            self.learning_rate, {last_quarter: 0.1}
        )
        return optax.sgd(rate, momentum=0.9)


def train_in_subspace(
    setup: Setup, plan: Plan, checkpoints: Checkpoints, trained: Trained, key: Key
) -> Outcome:
    """Trains from the last checkpoint, or from the start, to the end.

    Raises:
      Interrupted: the run was asked to stop; what was trained is saved.
    """
    subspace = jax.device_put(
        baselines.principal_subspace(plan.records, num_directions=plan.num_directions)
    )
    optimizer, tests = plan.optimizer(), _Tests(setup, plan)
    state, start = _restore(plan, optimizer, tests, checkpoints, trained)
    state = state._replace(state=RestrictedState(state.state, subspace))

    def save(step: int, states: train.States) -> None:
        checkpoints.save(step, (_without_subspace(states[0]), tests.accuracy))

    checkpointing = train.CheckpointHook(
        save,
        every_seconds=setup.config.train.checkpoint_every_seconds,
        num_steps=plan.num_steps,
        should_stop=trained.should_stop,
    )
    with progress.task(METHODS[plan.name], plan.num_steps, start=start) as advance:
        try:
            (state,), step = train.train(
                (state,),
                _chunk(setup, plan, optimizer, key),
                (tests, checkpointing, _Progress(advance)),
                start_step=start,
                num_steps=plan.num_steps,
                steps_per_epoch=plan.steps_per_epoch,
                chunk_steps=setup.config.train.chunk_steps,
                should_stop=trained.should_stop,
            )
        except train.NonFiniteLossError as error:
            return Outcome(tests.accuracy, {}, f"{error}, of {plan.num_steps}")
    if step < plan.num_steps:
        raise Interrupted(f"stopped in {METHODS[plan.name]}; {RESUME}")
    return _outcome(plan, state, tests.accuracy)


def _restore(
    plan: Plan,
    optimizer: optax.GradientTransformation,
    tests: "_Tests",
    checkpoints: Checkpoints,
    trained: Trained,
) -> tuple[train.TrainState, int]:
    """The state of the last checkpoint and its step, or the run's initialisation.

    That is the origin. Running statistics are only carried: nothing depends on them.
    """
    origin = jnp.zeros(plan.num_directions)
    carried = jax.tree.map(jnp.copy, trained.state.state)
    state = train.TrainState(jnp.int32(0), origin, carried, optimizer.init(origin))
    resumed = checkpoints.resume(lambda _: (state, tests.accuracy))
    if resumed is None:
        return state, 0
    state, accuracy_so_far = resumed.tree
    tests.accuracy = np.array(accuracy_so_far)
    return state, resumed.step


def _without_subspace(state: train.TrainState) -> train.TrainState:
    """What a checkpoint holds: the subspace is made again from the records."""
    return state._replace(state=state.state.inner)


def _chunk(
    setup: Setup, plan: Plan, optimizer: optax.GradientTransformation, key: Key
) -> train.Chunk:
    return train.make_chunk(
        baselines.restrict(setup.objective),
        optimizer,
        setup.dataset.train,
        preprocess=lambda images, key: setup.preprocess(images, train=True, key=key),
        batch_size=plan.batch_size,
        max_steps=min(setup.config.train.chunk_steps, plan.steps_per_epoch),
        dispatch=setup.dispatch,
        vectorize=False,
        keys=[key],
        placement=setup.placement,
        mesh=setup.mesh,
    )


class _Tests:
    """Tests the network where the run itself was tested, after the first records.

    Attributes:
      accuracy: one for each of `accuracy.tested_records`; NaN before the training.
    """

    def __init__(self, setup: Setup, plan: Plan):
        steps = np.array(setup.schedule.steps[1:])
        tested = steps[accuracy.tested_records(setup, steps)]
        self._epochs = (tested // setup.steps_per_epoch - plan.begun).tolist()
        self._steps_per_epoch = plan.steps_per_epoch
        self._evaluate = setup.evaluations["test"]
        self._reestimate = make_reestimate(setup)
        self._at = jit(Subspace.at)
        self.accuracy = np.full(len(tested), np.nan, np.float32)

    def next_due(self, step: int) -> int | None:
        """None: a chunk ends where an epoch does."""
        del step

    def __call__(self, step: int, states: train.States, metrics: Any) -> None:
        del metrics
        epoch, rest = divmod(step, self._steps_per_epoch)
        if rest or epoch not in self._epochs:
            return
        inside = states[0].state
        params = self._at(inside.subspace, states[0].params)
        statistics = self._reestimate(params, inside.inner)
        found = host.fetch(self._evaluate(params, statistics)["accuracy"])
        self.accuracy[self._epochs.index(epoch)] = found


class _Progress:
    """Tells the step and the mean loss."""

    def __init__(self, advance: progress.Advance):
        self._advance = advance

    def next_due(self, step: int) -> int | None:
        del step

    def __call__(
        self, step: int, states: train.States, metrics: train.HostMetrics
    ) -> None:
        del states
        self._advance(step, f"loss {metrics[0]['loss'].mean():.4f}")


def _outcome(
    plan: Plan, state: train.TrainState, tested: Float[np.ndarray, " tested"]
) -> Outcome:
    numbers = {"num_directions": plan.num_directions, "num_steps": plan.num_steps}
    if plan.learning_rate is not None:
        return Outcome(tested, numbers, "")
    search = host.fetch(state.optimizer_state)
    for name in ("num_taken", "num_trials", "last_taken"):
        numbers[name] = int(getattr(search, name))
    failure = ""
    if numbers["num_taken"] == 0:
        failure = (
            f"the line search has never succeeded, in the steps 0 to "
            f"{plan.num_steps - 1}: the network is still the initialisation"
        )
    return Outcome(tested, numbers, failure)
