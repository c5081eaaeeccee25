"""Training a group of seeds: from its last checkpoint, or the start, to the end.

The loop itself is `cmd_jax.train.train`; this file wires it to a run's files.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from cmd_jax import processes, runs, train
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.types import Key, PyTree
from experiments.configured import branch, estimate, pretrained
from experiments.configured.programs import initial_states, make_chunk, make_reestimate
from experiments.configured.setup import Setup
from experiments.process import progress, saved
from experiments.process.interruption import RESUME, Interrupted
from experiments.process.wall_time import WallTime
from experiments.training import autoencoder
from experiments.training.embedding_rounds import Rounds, template
from experiments.training.following import Following
from experiments.training.outputs import Outputs, open_outputs


class Trained(NamedTuple):
    """A seed at the end of its training.

    Attributes:
      state: its last one.
      accuracy: the test accuracies of the estimators that followed, by name, one for
        each evaluation of the run; NaN where there was no estimate.
      should_stop: whether the run has been asked to stop since.
    """

    state: train.TrainState
    accuracy: Mapping[str, np.ndarray]
    should_stop: Callable[[], bool]


def train_group(
    setup: Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: Callable[[], bool],
) -> list[Trained]:
    """Trains a group of seeds from its last checkpoint, or from the start.

    Raises:
      Interrupted: a signal asked to stop; everything is saved.
      FloatingPointError: a loss is not finite; names the seed and the last checkpoint.
    """
    keys = [jax.random.key(seed) for seed in group]
    seeds = [directory.seed(seed) for seed in group]
    checkpoints = Checkpoints(directory.checkpoints(group))
    following = Following(setup, seeds, keys)
    rounds = Rounds(setup, following, seeds, keys)
    states, start = _restore(setup, checkpoints, keys, following)
    wall_time = WallTime(directory, group, resumed=start is not None)
    with processes.together():
        outputs = open_outputs(setup, seeds, keys, start, following)
    if start is None:
        states = autoencoder.begin(setup, keys, seeds, states, should_stop)
        states = _begin(setup, group, seeds, states, outputs, following)
    chunk = make_chunk(setup, keys)
    name = directory.config()["name"]
    estimate.announce(setup, name, chunk, states, start=start or 0)
    hooks = (
        outputs.recorder,
        following,
        outputs.metrics,
        wall_time,
        _checkpointing(setup, checkpoints, following, should_stop),
    )
    with _naming_the_seed(group, checkpoints):
        states, step = _train(
            setup, states, chunk, hooks, rounds, start or 0, should_stop
        )
    wall_time.write()
    if step < setup.num_steps:
        raise Interrupted(f"stopped at step {step} of {setup.num_steps}; {RESUME}")
    return [
        Trained(state, following.accuracy(number), should_stop)
        for number, state in enumerate(states)
    ]


def _restore(
    setup: Setup, checkpoints: Checkpoints, keys: Sequence[Key], following: Following
) -> tuple[train.States, int | None]:
    """The states of the last good checkpoint and its step, or new ones and None."""

    def like(step: int) -> PyTree:
        states = tuple(template(setup, step) for _ in keys)
        return saved.join(states, following.template(step))

    resumed = checkpoints.resume(like)
    if resumed is None:
        return initial_states(setup, keys), None
    for message in resumed.damaged:
        progress.say(f"{message}; the one before it is taken")
    progress.say(f"going on from step {resumed.step}")
    states, followed = saved.split(resumed.tree)
    following.restore(followed)
    return states, resumed.step


def _begin(
    setup: Setup,
    group: tuple[int, ...],
    seeds: Sequence[runs.SeedDirectory],
    states: train.States,
    outputs: Outputs,
    following: Following,
) -> train.States:
    """The states at step 0, a branch point where the config asks for one, written."""
    config = setup.config
    directories = dict(zip(group, seeds, strict=True))
    if config.branch.run:
        states = branch.begin(config, states, directories, make_reestimate(setup))
    if config.branch.weights:
        states = pretrained.begin(config, states, directories)
    outputs.metrics.write_initial(states)
    outputs.recorder.record_initial(states)
    following.begin(states)
    return states


def _checkpointing(
    setup: Setup,
    checkpoints: Checkpoints,
    following: Following,
    should_stop: Callable[[], bool],
) -> train.CheckpointHook:
    return train.CheckpointHook(
        lambda step, states: checkpoints.save(
            step, saved.join(states, following.saved)
        ),
        every_seconds=setup.config.train.checkpoint_every_seconds,
        num_steps=setup.num_steps,
        should_stop=should_stop,
    )


def _train(
    setup: Setup,
    states: train.States,
    chunk: train.Chunk,
    hooks: Sequence[train.Hook],
    rounds: Rounds,
    start: int,
    should_stop: Callable[[], bool],
) -> tuple[train.States, int]:
    """The states at the step where training ended, and that step."""
    step = end = start
    with progress.task("training", setup.num_steps, start=start) as advance:
        while step == end < setup.num_steps:
            end = rounds.next_after(step)
            states, step = train.train(
                rounds.apply(step, states),
                chunk,
                (*hooks, _ProgressHook(advance, setup.steps_per_epoch)),
                start_step=step,
                num_steps=end,
                steps_per_epoch=setup.steps_per_epoch,
                chunk_steps=setup.config.train.chunk_steps,
                should_stop=should_stop,
            )
    return states, step


@contextlib.contextmanager
def _naming_the_seed(
    group: tuple[int, ...], checkpoints: Checkpoints
) -> Iterator[None]:
    """Adds to a loss that is not finite whose it is, and what can be gone back to."""
    try:
        yield
    except train.NonFiniteLossError as error:
        raise FloatingPointError(
            f"seed {group[error.seed_index]}: {error}; {_last_good(checkpoints)}. "
            "Lower config.optimizer.learning_rate"
        ) from error


def _last_good(checkpoints: Checkpoints) -> str:
    step = checkpoints.latest()
    if step is None:
        return "there is no checkpoint before it"
    return f"the last good checkpoint is step {step} in {checkpoints.folder}"


class _ProgressHook:
    """Tells the step and the mean loss over the seeds."""

    def __init__(self, advance: progress.Advance, steps_per_epoch: int):
        self._advance = advance
        self._steps_per_epoch = steps_per_epoch

    def next_due(self, step: int) -> int | None:
        del step

    def __call__(
        self,
        step: int,
        states: train.States,
        metrics: Sequence[Mapping[str, np.ndarray]],
    ) -> None:
        del states
        loss = np.mean([seed["loss"].mean() for seed in metrics])
        self._advance(
            step, f"epoch {step / self._steps_per_epoch:.1f}  loss {loss:.4f}"
        )
