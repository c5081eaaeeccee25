"""P-SGD and P-BFGS on a recorded run: training in the subspace of its first records.

As in the DLDR paper (Li et al., TPAMI 2022) both start from the run's initialisation:
P-SGD with learning rate 1, momentum 0.9 and a tenth of that rate in the last quarter,
P-BFGS with its line search on large batches. "Equal" takes as many records as online
CMD's warm-up, "long" takes more (the CMD paper's names). The epochs of the records
count as theirs, so that they end with the run. Checkpoints lie in the seed's directory.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from cmd_jax import baselines, data, host, rng, runs, train
from cmd_jax.baselines import RestrictedState, Subspace
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.report import METHODS
from cmd_jax.train.compilation import jit
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from cmd_jax.types import Key, PyTree
from experiments import accuracy, progress, recording
from experiments.group_training import Trained
from experiments.interruption import RESUME, Interrupted
from experiments.programs import make_reestimate
from experiments.setup import Setup

_NEEDS = {"p_sgd": "long", "p_bfgs_equal": "equal", "p_bfgs_long": "long"}


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


def check(setup: Setup) -> None:
    """Refuses what cannot be trained after the run, before it starts.

    Raises:
      ValueError: names the field and what is allowed.
    """
    if "subspace" not in setup.config:
        return
    block, num_records = setup.config.subspace, len(setup.schedule)
    if not recording.whole_network(setup.config.record):
        raise ValueError(
            "config.subspace needs every weight, and config.record records a part of "
            "them: set config.record.pattern='*' and config.record.num_weights=0"
        )
    for kind in sorted(set(_NEEDS.values())):
        name, taken = f"config.subspace.{kind}_records", block[f"{kind}_records"]
        if not 1 <= taken < num_records - 1:
            raise ValueError(
                f"{name} is {taken}; allowed are 1 to {num_records - 2}: the run has "
                f"{num_records} records, and something has to be left to train"
            )
        if setup.schedule.steps[taken] % setup.steps_per_epoch:
            raise ValueError(
                f"{name} is {taken}, and that record is not at the end of an epoch: "
                "record every epoch (config.record.every_epochs=1) and nothing else"
            )
    if block.num_directions < 1:
        raise ValueError(
            f"config.subspace.num_directions is {block.num_directions}; it must be at "
            "least 1"
        )
    _check_batch(setup)


def _check_batch(setup: Setup) -> None:
    size, num_examples = (
        setup.config.subspace.batch_size,
        len(setup.dataset.train.labels),
    )
    devices = 1 if setup.mesh is None else setup.mesh.size
    if not 1 <= size <= num_examples or size % devices:
        raise ValueError(
            f"config.subspace.batch_size is {size}; allowed are 1 to {num_examples}, "
            f"the training images, in multiples of {devices}, the devices of the run"
        )


def train_all(
    setup: Setup, directory: runs.SeedDirectory, seed: int, trained: Trained
) -> dict[str, Outcome]:
    """Trains in the subspaces of a seed's run, by method; nothing if not asked for.

    Raises:
      Interrupted: the run was asked to stop; what was trained is saved.
    """
    if "subspace" not in setup.config:
        return {}
    recorded = Trajectory.open(directory.trajectory, like=setup.template.params)
    found = {}
    for name in _NEEDS:
        plan = _plan(setup, recorded, name)
        progress.say(
            f"seed {seed}: {METHODS[name]} in {plan.num_directions} directions of the "
            f"first {plan.begun} epochs"
        )
        checkpoints = Checkpoints(directory.subspace / name)
        key = rng.stream(jax.random.key(seed), name)
        found[name] = _run(setup, plan, checkpoints, trained, key)
        if found[name].failure:
            progress.say(f"seed {seed}: {METHODS[name]}: {found[name].failure}")
    return found


class _Plan(NamedTuple):
    """A training: its records, its size, the epoch at which it begins, its length."""

    name: str
    records: StoredTrajectory
    num_directions: int
    batch_size: int
    steps_per_epoch: int
    begun: int
    num_steps: int

    @property
    def quasi_newton(self) -> bool:
        return self.name != "p_sgd"

    def optimizer(self) -> optax.GradientTransformation:
        if self.quasi_newton:
            return baselines.bfgs()
        rate = optax.piecewise_constant_schedule(1.0, {3 * self.num_steps // 4: 0.1})
        return optax.sgd(rate, momentum=0.9)


def _plan(setup: Setup, recorded: StoredTrajectory, name: str) -> _Plan:
    block, config = setup.config.subspace, setup.config.train
    num_records = block[f"{_NEEDS[name]}_records"]
    batch_size = config.batch_size if name == "p_sgd" else block.batch_size
    num_examples = len(setup.dataset.train.labels)
    steps_per_epoch = data.batches_per_epoch(num_examples, batch_size)
    begun = setup.schedule.steps[num_records] // setup.steps_per_epoch
    return _Plan(
        name=name,
        records=recorded[: num_records + 1],
        num_directions=min(block.num_directions, num_records),
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        begun=begun,
        num_steps=steps_per_epoch * (config.total_epochs - begun),
    )


def _run(
    setup: Setup, plan: _Plan, checkpoints: Checkpoints, trained: Trained, key: Key
) -> Outcome:
    """Trains from the last checkpoint, or from the start, to the end."""
    subspace = jax.device_put(
        baselines.principal_subspace(plan.records, num_directions=plan.num_directions)
    )
    optimizer = plan.optimizer()
    state = _initial(plan, optimizer, trained.state.state)
    tests = _Tests(setup, plan)
    resumed = checkpoints.resume(lambda _: (state, tests.accuracy))
    if resumed is not None:
        state, tests.accuracy = resumed.tree[0], np.array(resumed.tree[1])
    start = 0 if resumed is None else resumed.step

    def save(step: int, states: train.States) -> None:
        checkpoints.save(step, (_without_subspace(states[0]), tests.accuracy))

    inside = RestrictedState(state.state, subspace)
    checkpointing = train.CheckpointHook(
        save,
        every_seconds=setup.config.train.checkpoint_every_seconds,
        num_steps=plan.num_steps,
        should_stop=trained.should_stop,
    )
    with progress.task(METHODS[plan.name], plan.num_steps, start=start) as advance:
        try:
            (state,), step = train.train(
                (state._replace(state=inside),),
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


def _initial(
    plan: _Plan, optimizer: optax.GradientTransformation, state: PyTree
) -> train.TrainState:
    """The run's initialisation, the origin; running statistics have no part in it."""
    origin = jnp.zeros(plan.num_directions)
    state = jax.tree.map(jnp.copy, state)
    return train.TrainState(jnp.int32(0), origin, state, optimizer.init(origin))


def _without_subspace(state: train.TrainState) -> train.TrainState:
    """What a checkpoint holds: the subspace is made again from the records."""
    return state._replace(state=state.state.inner)


def _chunk(
    setup: Setup, plan: _Plan, optimizer: optax.GradientTransformation, key: Key
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

    def __init__(self, setup: Setup, plan: _Plan):
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
    plan: _Plan, state: train.TrainState, tested: Float[np.ndarray, " tested"]
) -> Outcome:
    numbers = {"num_directions": plan.num_directions, "num_steps": plan.num_steps}
    if not plan.quasi_newton:
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


def results(found: Mapping[str, Outcome]) -> dict[str, Any]:
    """The numbers of the trainings, for a seed's results."""
    if not found:
        return {}
    return {
        "subspace": {
            name: {**outcome.numbers, "failure": outcome.failure}
            for name, outcome in found.items()
        }
    }


def curves(found: Mapping[str, Outcome]) -> dict[str, np.ndarray]:
    """Test accuracies by method; all NaN of those that have failed."""
    return {
        name: np.full_like(one.accuracy, np.nan) if one.failure else one.accuracy
        for name, one in found.items()
    }
