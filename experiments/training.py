"""Training the seeds of a config: the run directory, resuming, hooks and reports.

The loop itself is `cmd_jax.train.train`; this file wires it to files and to the study.
Of several processes all train, and the primary alone decides by the files, and writes.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from cmd_jax import config as configs
from cmd_jax import processes, runs, train, trajectory
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.types import Key
from experiments import branch, environment, estimate, export, progress, saved
from experiments.following import Following
from experiments.interruption import Interrupted, stop_on_signals
from experiments.setup import (
    Options,
    Setup,
    initial_states,
    make_chunk,
    make_reestimate,
    selection,
    with_dispatch,
)
from experiments.wall_time import WallTime

_RESUME = "run the same command again to go on"


class Trained(NamedTuple):
    """A seed at the end of its training.

    Attributes:
      state: its last one.
      accuracy: the test accuracies of the estimators that followed, by name, one for
        each evaluation of the run; NaN where there was no estimate.
    """

    state: train.TrainState
    accuracy: Mapping[str, np.ndarray]


Finish = Callable[[Setup, runs.SeedDirectory, int, Trained], None]


def run_directory(setup: Setup, name: str, options: Options) -> runs.RunDirectory:
    """Where the runs of this config lie."""
    digest = configs.digest(setup.config)
    return runs.RunDirectory(options.output / f"{name}-{digest}")


def run_seeds(
    setup: Setup,
    name: str,
    options: Options,
    *,
    finish: Finish,
    report: Callable[[runs.RunDirectory], None],
) -> None:
    """Trains what is missing of the config's seeds, and reports over all of them.

    Args:
      setup: from `prepare`.
      name: the config's name.
      options: the command line.
      finish: the study: takes a trained seed, in every process, and ends by
        `SeedDirectory.finish` in the primary.
      report: writes the page over the finished seeds; called by the primary.
    """
    directory = run_directory(setup, name, options)
    document = {
        "name": name,
        "hash": configs.digest(setup.config),
        "dispatch": setup.dispatch,
        "placement": setup.placement,
        "num_devices": 1 if setup.mesh is None else setup.mesh.size,
        "config": configs.to_dict(setup.config),
    }
    _check_same(document)
    groups = processes.from_primary(
        lambda: _missing_groups(setup, directory, document, options)
    )
    if groups:
        setup = _as_begun(setup, directory)
    with stop_on_signals() as should_stop:
        for group in map(tuple, groups):
            with _owned(directory, group, document, options):
                _run_group(setup, directory, group, should_stop, finish)
    with processes.together():
        if processes.is_primary():
            _conclude(setup, directory, options, report, new=bool(groups))


def _check_same(document: dict[str, Any]) -> None:
    """Refuses a process that was started with another config than the primary."""
    of_primary = processes.from_primary(lambda: document)
    with processes.together():
        if document != of_primary:
            raise ValueError(
                f"this process runs {document['name']} with hash {document['hash']}, "
                f"the primary {of_primary['name']} with hash {of_primary['hash']}: "
                "start all processes with the same command"
            )


def _missing_groups(
    setup: Setup,
    directory: runs.RunDirectory,
    document: dict[str, Any],
    options: Options,
) -> list[tuple[int, ...]]:
    if options.export is not None:
        export.check(setup, options.export)
    if options.overwrite:
        directory.remove()
    directory.check_config(document)
    return directory.groups_to_run(setup.seeds)


@contextlib.contextmanager
def _owned(
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    document: dict[str, Any],
    options: Options,
) -> Iterator[None]:
    """The run directory and a group of its seeds belong to this run for the body."""
    with contextlib.ExitStack() as claimed:
        with processes.together():
            if processes.is_primary():
                directory.create(document)
                claimed.enter_context(directory.claim(group))
                directory.write_environment(environment.describe(options.command))
        yield


def _conclude(
    setup: Setup,
    directory: runs.RunDirectory,
    options: Options,
    report: Callable[[runs.RunDirectory], None],
    *,
    new: bool,
) -> None:
    if new or not directory.report.exists():
        report(directory)
    else:
        progress.say(f"{directory.root} is finished; --overwrite begins anew")
    progress.say(f"report: {directory.report}")
    if options.export is not None:
        export.write(setup, directory, options.export)


def _as_begun(setup: Setup, directory: runs.RunDirectory) -> Setup:
    """The setup with the dispatch that the run began with, maybe elsewhere.

    Another dispatch rounds otherwise: a resumed run would not be the same one.
    """

    def dispatch() -> str:
        if not directory.root.exists():
            return setup.dispatch
        return directory.config()["dispatch"]

    begun = processes.from_primary(dispatch)
    if begun == setup.dispatch:
        return setup
    progress.say(
        f"steps are dispatched by {begun!r}, as this run began; this machine alone "
        f"would choose {setup.dispatch!r}"
    )
    return with_dispatch(setup, begun)


def _run_group(
    setup: Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: Callable[[], bool],
    finish: Finish,
) -> None:
    trained = train_group(setup, directory, group, should_stop)
    finished = processes.from_primary(directory.finished_seeds)
    for seed, result in zip(group, trained, strict=True):
        if processes.agree(should_stop()):
            raise Interrupted(f"stopped with all steps done; {_RESUME}")
        if seed not in finished:
            finish(setup, directory.seed(seed), seed, result)


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
    config = setup.config
    keys = [jax.random.key(seed) for seed in group]
    checkpoints = Checkpoints(directory.checkpoints(group))
    seeds = [directory.seed(seed) for seed in group]
    following = Following(setup, seeds, keys)
    states, start = _restore(setup, checkpoints, keys, following)
    wall_time = WallTime(directory, group, resumed=start is not None)
    with processes.together():
        metrics, recorder = _open_outputs(setup, seeds, keys, start, following)
    if start is None:
        if config.branch.run:
            directories = dict(zip(group, seeds, strict=True))
            states = branch.begin(config, states, directories, make_reestimate(setup))
        metrics.write_initial(states)
        recorder.record_initial(states)
        following.begin(states)
    step, chunk = start or 0, make_chunk(setup, keys)
    name = directory.config()["name"]
    estimate.announce(setup, name, chunk, states, start=step)
    with progress.task("training", setup.num_steps, start=step) as advance:
        hooks = (
            recorder,
            following,
            metrics,
            wall_time,
            train.CheckpointHook(
                lambda step, states: checkpoints.save(
                    step, saved.join(states, following.saved)
                ),
                every_seconds=config.train.checkpoint_every_seconds,
                num_steps=setup.num_steps,
                should_stop=should_stop,
            ),
            _ProgressHook(advance, setup.steps_per_epoch),
        )
        try:
            states, step = train.train(
                states,
                chunk,
                hooks,
                start_step=step,
                num_steps=setup.num_steps,
                steps_per_epoch=setup.steps_per_epoch,
                chunk_steps=config.train.chunk_steps,
                should_stop=should_stop,
            )
        except train.NonFiniteLossError as error:
            raise FloatingPointError(
                f"seed {group[error.seed_index]}: {error}; {_last_good(checkpoints)}. "
                "Lower config.optimizer.learning_rate"
            ) from error
    wall_time.write()
    if step < setup.num_steps:
        raise Interrupted(f"stopped at step {step} of {setup.num_steps}; {_RESUME}")
    return [
        Trained(state, following.accuracy(number))
        for number, state in enumerate(states)
    ]


def _last_good(checkpoints: Checkpoints) -> str:
    step = checkpoints.latest()
    if step is None:
        return "there is no checkpoint before it"
    return f"the last good checkpoint is step {step} in {checkpoints.folder}"


def _restore(
    setup: Setup, checkpoints: Checkpoints, keys: Sequence[Key], following: Following
) -> tuple[train.States, int | None]:
    """The states of the last good checkpoint and its step, or new ones and None."""
    templates = tuple(setup.template for _ in keys)
    resumed = checkpoints.resume(
        lambda step: saved.join(templates, following.template(step))
    )
    if resumed is None:
        return initial_states(setup, keys), None
    for message in resumed.damaged:
        progress.say(f"{message}; the one before it is taken")
    progress.say(f"going on from step {resumed.step}")
    states, followed = saved.split(resumed.tree)
    following.restore(followed)
    return states, resumed.step


def _open_outputs(
    setup: Setup,
    seeds: Sequence[runs.SeedDirectory],
    keys: Sequence[Key],
    start: int | None,
    following: Following,
) -> tuple[train.MetricsHook, trajectory.Recorder]:
    """Metrics and recorder of every seed, cut back to the step that is resumed.

    In a process that is not the primary they write nothing.
    """
    sinks: list[list[train.Sink]] = [[] for _ in seeds]
    writers: list[trajectory.TrajectoryWriter] = []
    if processes.is_primary():
        sinks = [_sinks(setup, seed, start) for seed in seeds]
        pairs = zip(seeds, keys, strict=True)
        writers = [_writer(setup, seed, key, start) for seed, key in pairs]
    metrics = train.MetricsHook(
        sinks,
        setup.evaluations,
        every_steps=setup.config.eval.every_epochs * setup.steps_per_epoch,
        steps_per_epoch=setup.steps_per_epoch,
        num_steps=setup.num_steps,
        beside=following.evaluate,
    )
    return metrics, trajectory.Recorder(writers, setup.schedule)


def _sinks(
    setup: Setup, seed: runs.SeedDirectory, start: int | None
) -> list[train.Sink]:
    log = setup.config.log
    file = train.MetricsFile(seed.metrics)
    file.truncate(-1 if start is None else start)
    sinks: list[train.Sink] = [file]
    if log.tensorboard:
        step = -1 if start is None else start
        sinks.append(train.tensorboard_sink(seed.tensorboard, resume_step=step))
    if log.wandb:
        run_id = f"{seed.root.parent.name}-{seed.root.name}"
        config = configs.to_dict(setup.config)
        sinks.append(train.wandb_sink(log.wandb, run_id=run_id, config=config))
    return sinks


def _writer(
    setup: Setup, seed: runs.SeedDirectory, key: Key, start: int | None
) -> trajectory.TrajectoryWriter:
    record, like = setup.config.record, setup.template.params
    options: Mapping[str, Any] = {"select": selection(record), "dtype": record.dtype}
    if start is not None:
        writer = trajectory.TrajectoryWriter.resume(
            seed.trajectory, like, **options, last_step=start
        )
        expected = sum(step <= start for step in setup.schedule.steps)
        if writer.num_records != expected:
            raise ValueError(
                f"{seed.trajectory} has {writer.num_records} records up to step "
                f"{start}, not {expected}: some are lost. Copy it again, or pass "
                "--overwrite to begin anew"
            )
        return writer
    if seed.trajectory.exists():  # of a run that was killed before its first checkpoint
        shutil.rmtree(seed.trajectory)
    return trajectory.TrajectoryWriter.create(seed.trajectory, like, **options, key=key)


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
