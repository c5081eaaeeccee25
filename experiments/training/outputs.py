"""What training writes for each seed: its metrics, and the recorded trajectory.

A run that goes on cuts both back to the step of its checkpoint.
"""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cmd_jax import config as configs
from cmd_jax import processes, runs, train, trajectory
from cmd_jax.types import Key
from experiments.configured import recording
from experiments.configured.setup import Setup
from experiments.training.following import Following


class Outputs(NamedTuple):
    """The hooks that write, for all seeds of a group."""

    metrics: train.MetricsHook
    recorder: trajectory.Recorder


def open_outputs(
    setup: Setup,
    seeds: Sequence[runs.SeedDirectory],
    keys: Sequence[Key],
    start: int | None,
    following: Following,
) -> Outputs:
    """Metrics and recorder of every seed, cut back to the step that is resumed.

    In a process that is not the primary they write nothing.

    Args:
      setup: from `prepare`.
      seeds: where to write.
      keys: the root keys of the seeds.
      start: the step that is resumed; None for a run that begins.
      following: what is tested beside the network.

    Raises:
      ValueError: records of the run that is resumed are lost or damaged.
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
    return Outputs(metrics, trajectory.Recorder(writers, setup.schedule))


def _sinks(
    setup: Setup, seed: runs.SeedDirectory, start: int | None
) -> list[train.Sink]:
    log, last_step = setup.config.log, -1 if start is None else start
    file = train.MetricsFile(seed.metrics)
    file.truncate(last_step)
    sinks: list[train.Sink] = [file]
    if log.tensorboard:
        sinks.append(train.tensorboard_sink(seed.tensorboard, resume_step=last_step))
    if log.wandb:
        run_id = f"{seed.root.parent.name}-{seed.root.name}"
        config = configs.to_dict(setup.config)
        sinks.append(train.wandb_sink(log.wandb, run_id=run_id, config=config))
    return sinks


def _writer(
    setup: Setup, seed: runs.SeedDirectory, key: Key, start: int | None
) -> trajectory.TrajectoryWriter:
    record, like = setup.config.record, setup.template.params
    options: Mapping[str, Any] = {
        "select": recording.selection(record),
        "dtype": record.dtype,
    }
    if start is None:
        seed.training_of.unlink(missing_ok=True)  # a copy of a training was killed
        if seed.trajectory.exists():  # the run was killed before its first checkpoint
            shutil.rmtree(seed.trajectory)
        return trajectory.TrajectoryWriter.create(
            seed.trajectory, like, **options, key=key
        )
    writer = trajectory.TrajectoryWriter.resume(
        seed.trajectory, like, **options, last_step=start
    )
    expected = sum(step <= start for step in setup.schedule.steps)
    if writer.num_records != expected:
        raise ValueError(
            f"{seed.trajectory} has {writer.num_records} records up to step {start}, "
            f"not {expected}: some are lost. Copy it again, or pass --overwrite to "
            "begin anew"
        )
    return writer
