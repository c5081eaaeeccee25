"""Training the seeds of a config by gradients: wiring of data, model, loop and files.

`prepare` checks everything that can be refused and writes nothing; `run_seeds` owns the
run directory, trains the seeds that are missing and hands each to its study.
"""

import fnmatch
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax import data, models, runs, train, trajectory, trees
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.types import Array, Key
from experiments import environment, progress
from experiments.interruption import Interrupted, stop_on_signals


class Options(NamedTuple):
    """What the command line says besides the config."""

    output: pathlib.Path
    data_directory: str | None
    overwrite: bool
    dry_run: bool
    command: str


class Setup(NamedTuple):
    """A config, resolved and checked: everything that training needs.

    `preprocess(images, *, train, key)` makes inputs of uint8 images; `template` is one
    seed's state as shapes.
    """

    config: ConfigDict
    dataset: data.Dataset
    network: models.Network
    objective: train.Objective
    optimizer: optax.GradientTransformation
    preprocess: Callable[..., Array]
    schedule: trajectory.Schedule
    steps_per_epoch: int
    num_steps: int
    dispatch: str
    template: train.TrainState
    evaluations: Mapping[str, train.Evaluate]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the config asks for."""
        first = self.config.seed
        return tuple(range(first, first + self.config.train.num_seeds))


def prepare(config: ConfigDict, data_directory: str | None) -> Setup:
    """Loads the data and builds everything; raises where the config cannot be run."""
    _check_numbers(config)
    loading = config.data.to_dict()
    crop_padding, flip = loading.pop("crop_padding"), loading.pop("flip")
    dataset = data.load(**loading, directory=data_directory)
    network = models.create(**config.model.to_dict(), num_classes=dataset.num_classes)
    examples = len(dataset.train.labels)
    steps_per_epoch = data.batches_per_epoch(examples, config.train.batch_size)
    num_steps = steps_per_epoch * config.train.total_epochs
    options = config.optimizer.to_dict()
    options["warmup_steps"] = options.pop("warmup_epochs") * steps_per_epoch
    optimizer = train.create_optimizer(**options, num_steps=num_steps)
    preprocess = data.augmenter(dataset, crop_padding=crop_padding, flip=flip)
    dispatch = config.train.dispatch
    if dispatch == "auto":
        dispatch = train.choose_dispatch(network.convolutional, jax.default_backend())
    setup = Setup(
        config=config,
        dataset=dataset,
        network=network,
        objective=train.cross_entropy(network),
        optimizer=optimizer,
        preprocess=preprocess,
        schedule=_record_schedule(config.record, steps_per_epoch, num_steps),
        steps_per_epoch=steps_per_epoch,
        num_steps=num_steps,
        dispatch=dispatch,
        template=jax.eval_shape(
            lambda key: _initial(network, optimizer, preprocess, dataset, key),
            jax.random.key(0),
        ),
        evaluations=_evaluations(config, dataset, network, preprocess, dispatch),
    )
    record_bytes(setup)  # refuses a selection that fits no network
    return setup


def _initial(
    network: models.Network,
    optimizer: optax.GradientTransformation,
    preprocess: Callable[..., Array],
    dataset: data.Dataset,
    key: Key,
) -> train.TrainState:
    inputs = preprocess(dataset.train.inputs[:1])
    return train.initial_state(network, optimizer, inputs, key=key)


def _evaluations(
    config: ConfigDict,
    dataset: data.Dataset,
    network: models.Network,
    preprocess: Callable[..., Array],
    dispatch: str,
) -> dict[str, train.Evaluate]:
    """The evaluation of each split that has examples."""
    splits = {"validation": dataset.validation, "test": dataset.test}
    return {
        name: train.make_evaluate(
            network,
            split,
            preprocess=preprocess,
            batch_size=config.eval.batch_size,
            dispatch=dispatch,
        )
        for name, split in splits.items()
        if len(split.labels)
    }


def _check_numbers(config: ConfigDict) -> None:
    for name, value, least in (
        ("seed", config.seed, 0),
        ("train.total_epochs", config.train.total_epochs, 1),
        ("train.num_seeds", config.train.num_seeds, 1),
        ("train.chunk_steps", config.train.chunk_steps, 1),
        ("train.checkpoint_every_seconds", config.train.checkpoint_every_seconds, 0),
        ("eval.every_epochs", config.eval.every_epochs, 1),
        ("eval.batch_size", config.eval.batch_size, 1),
        ("optimizer.warmup_epochs", config.optimizer.warmup_epochs, 0),
        ("record.every_epochs", config.record.every_epochs, 0),
        ("record.every_steps", config.record.every_steps, 0),
        ("record.num_log_spaced", config.record.num_log_spaced, 0),
        ("record.num_weights", config.record.num_weights, 0),
    ):
        if not value >= least:
            raise ValueError(f"config.{name} is {value}; it must be at least {least}")
    if config.train.dispatch not in ("auto", "scan", "step"):
        raise ValueError(
            f"config.train.dispatch is {config.train.dispatch!r}; allowed are 'auto', "
            "'scan' and 'step'"
        )


def _record_schedule(
    record: ConfigDict, steps_per_epoch: int, num_steps: int
) -> trajectory.Schedule:
    """The union of the record's schedules; at least step 0 and the last."""
    steps = {0, num_steps}
    every = (record.every_epochs * steps_per_epoch, record.every_steps)
    for number in filter(None, every):
        steps |= set(trajectory.every_steps(number, total_steps=num_steps).steps)
    if record.num_log_spaced:
        spaced = trajectory.log_spaced(record.num_log_spaced, total_steps=num_steps)
        steps |= set(spaced.steps)
    return trajectory.Schedule(tuple(sorted(steps)))


def _selection(record: ConfigDict) -> str | int | None:
    """What to record, as the trajectory's writer wants it: None for all."""
    if record.num_weights and record.pattern != "*":
        raise ValueError(
            f"config.record.pattern is {record.pattern!r} and "
            f"config.record.num_weights is {record.num_weights}; set one of them"
        )
    if record.num_weights:
        return record.num_weights
    return None if record.pattern == "*" else record.pattern


def record_bytes(setup: Setup) -> int:
    """Bytes of one record on the disk.

    Raises:
      ValueError: the config's selection does not fit the network.
    """
    record = setup.config.record
    return trajectory.record_bytes(
        setup.template.params, select=_selection(record), dtype=record.dtype
    )


def records_whole_network(setup: Setup) -> bool:
    """Whether a record holds every parameter, so that it can be evaluated."""
    return _selection(setup.config.record) is None


def num_recorded(setup: Setup) -> int:
    """How many scalars a record holds."""
    record, params = setup.config.record, setup.template.params
    if record.num_weights:
        return record.num_weights
    sizes = zip(trees.leaf_names(params), trees.leaf_sizes(params), strict=True)
    return sum(
        int(size) for name, size in sizes if fnmatch.fnmatchcase(name, record.pattern)
    )


def run_directory(setup: Setup, name: str, options: Options) -> runs.RunDirectory:
    """Where the runs of this config lie."""
    digest = configs.digest(setup.config)
    return runs.RunDirectory(options.output / f"{name}-{digest}")


def run_seeds(
    setup: Setup,
    name: str,
    options: Options,
    *,
    finish: Callable[[Setup, runs.SeedDirectory, int, train.TrainState], None],
    report: Callable[[runs.RunDirectory], None],
) -> None:
    """Trains what is missing of the config's seeds, and reports over all of them.

    Args:
      setup: from `prepare`.
      name: the config's name.
      options: the command line.
      finish: the study: takes a trained seed and ends by `SeedDirectory.finish`.
      report: writes the page over the finished seeds.
    """
    directory = run_directory(setup, name, options)
    if options.overwrite:
        directory.remove()
    document = {
        "name": name,
        "hash": configs.digest(setup.config),
        "dispatch": setup.dispatch,
        "config": configs.to_dict(setup.config),
    }
    directory.check_config(document)
    groups = directory.groups_to_run(setup.seeds)
    if not groups and directory.report.exists():
        progress.say(f"{directory.root} is finished; --overwrite begins anew")
    with stop_on_signals() as should_stop:
        for group in groups:
            directory.create(document, environment.describe(options.command))
            with directory.claim(group):
                _run_group(setup, directory, group, should_stop, finish)
    if groups or not directory.report.exists():
        report(directory)
    progress.say(f"report: {directory.report}")


def _run_group(
    setup: Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: Callable[[], bool],
    finish: Callable[[Setup, runs.SeedDirectory, int, train.TrainState], None],
) -> None:
    states = train_group(setup, directory, group, should_stop)
    for seed, state in zip(group, states, strict=True):
        if should_stop():
            raise Interrupted(f"stopped with all steps done; {_RESUME}")
        if not directory.seed(seed).finished:
            finish(setup, directory.seed(seed), seed, state)


_RESUME = "run the same command again to go on"


def train_group(
    setup: Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: Callable[[], bool],
) -> train.States:
    """Trains a group of seeds from its last checkpoint, or from the start.

    Raises:
      Interrupted: a signal asked to stop; everything is saved.
      FloatingPointError: a loss is not finite; names the seed and the last checkpoint.
    """
    config = setup.config
    keys = [jax.random.key(seed) for seed in group]
    checkpoints = Checkpoints(directory.checkpoints(group))
    states, start = _restore(setup, checkpoints, keys)
    seeds = [directory.seed(seed) for seed in group]
    metrics, recorder = _open_outputs(setup, seeds, keys, start)
    if start is None:
        metrics.write_initial(states)
        recorder.record_initial(states)
    step = start or 0
    with progress.task("training", setup.num_steps, start=step) as advance:
        hooks = (
            metrics,
            recorder,
            train.CheckpointHook(
                checkpoints,
                every_seconds=config.train.checkpoint_every_seconds,
                num_steps=setup.num_steps,
                should_stop=should_stop,
            ),
            _ProgressHook(advance, setup.steps_per_epoch),
        )
        try:
            states, step = train.train(
                states,
                make_chunk(setup, keys),
                hooks,
                start_step=step,
                num_steps=setup.num_steps,
                steps_per_epoch=setup.steps_per_epoch,
                chunk_steps=config.train.chunk_steps,
                should_stop=should_stop,
            )
        except train.NonFiniteLossError as error:
            raise FloatingPointError(
                f"seed {group[error.seed_index]}: {error}; the last good checkpoint is "
                f"step {checkpoints.latest()} in {checkpoints.folder}. Lower "
                "config.optimizer.learning_rate"
            ) from error
    if step < setup.num_steps:
        raise Interrupted(f"stopped at step {step} of {setup.num_steps}; {_RESUME}")
    return states


def _restore(
    setup: Setup, checkpoints: Checkpoints, keys: Sequence[Key]
) -> tuple[train.States, int | None]:
    """The states of the last checkpoint and its step, or new ones and None."""
    step = checkpoints.latest()
    if step is not None:
        like = [setup.template for _ in keys]
        return tuple(checkpoints.restore(step, like)), step
    return initial_states(setup, keys), None


def initial_states(setup: Setup, keys: Sequence[Key]) -> train.States:
    """Every seed's state before the first step."""

    def initial(key: Key) -> train.TrainState:
        return _initial(
            setup.network, setup.optimizer, setup.preprocess, setup.dataset, key
        )

    compiled = train.jit_once(initial)
    return tuple(compiled(key) for key in keys)


def _open_outputs(
    setup: Setup,
    seeds: Sequence[runs.SeedDirectory],
    keys: Sequence[Key],
    start: int | None,
) -> tuple[train.MetricsHook, trajectory.Recorder]:
    """Metrics and recorder of every seed, cut back to the step that is resumed."""
    sinks = [_sinks(setup, seed, start) for seed in seeds]
    writers = [_writer(setup, s, k, start) for s, k in zip(seeds, keys, strict=True)]
    metrics = train.MetricsHook(
        sinks,
        setup.evaluations,
        every_steps=setup.config.eval.every_epochs * setup.steps_per_epoch,
        steps_per_epoch=setup.steps_per_epoch,
        num_steps=setup.num_steps,
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
    options: Mapping[str, Any] = {"select": _selection(record), "dtype": record.dtype}
    if start is not None:
        return trajectory.TrajectoryWriter.resume(
            seed.trajectory, like, **options, last_step=start
        )
    if seed.trajectory.exists():  # of a run that was killed before its first checkpoint
        shutil.rmtree(seed.trajectory)
    return trajectory.TrajectoryWriter.create(seed.trajectory, like, **options, key=key)


def make_chunk(setup: Setup, keys: Sequence[Key]) -> train.Chunk:
    """The compiled steps of all seeds."""
    return train.make_chunk(
        setup.objective,
        setup.optimizer,
        setup.dataset.train,
        preprocess=lambda images, key: setup.preprocess(images, train=True, key=key),
        batch_size=setup.config.train.batch_size,
        max_steps=setup.config.train.chunk_steps,
        dispatch=setup.dispatch,
        vectorize=not setup.network.convolutional,
        keys=keys,
    )


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
