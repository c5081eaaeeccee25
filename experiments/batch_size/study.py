"""The study of the mini-batch size on a real task: test accuracy over m and η.

One step beyond the phase-transition paper (arXiv 2305.06435), whose question it asks of
a classifier: from which mini-batch size on does training succeed, and does that depend
on the learning rate? Every point is trained once and tested twice, after a number of
epochs, where small batches take more steps, and after a number of steps, where large
ones see more data. A network that diverges is tested like any other.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float
from ml_collections import ConfigDict

from cmd_jax import data, host, runs, train
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.phase_transition import check_batch_sizes
from experiments.batch_size import page
from experiments.configured.checks import about
from experiments.configured.programs import initial_states, make_chunk, statistics_used
from experiments.configured.setup import Setup, prepare
from experiments.process import progress
from experiments.process.interruption import RESUME, Interrupted
from experiments.process.options import Options
from experiments.process.seed_groups import ShouldStop, check_alone, run_missing
from experiments.process.wall_time import WallTime
from experiments.training.seeds import run_directory

_FIELDS = {
    "batch_sizes": (1,),
    "learning_rates": (0.1,),
    "num_steps": 1,
}


class Grid(NamedTuple):
    """What was measured; the last axis is after so many epochs, after so many steps.

    Points that are still to be trained are NaN.
    """

    accuracy: Float[np.ndarray, "seeds rates points 2"]
    finite: Float[np.ndarray, "seeds rates points 2"]


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the seeds of `config`."""
    check_alone(name, options)
    setup = prepare(config, options.data_directory, {"batch_size": _FIELDS})
    _check(setup)
    directory = run_directory(setup, name, options)
    if options.dry_run:
        grid = config.batch_size
        points = len(grid.batch_sizes) * len(grid.learning_rates)
        progress.say(f"{points} points with {len(setup.seeds)} seeds: {directory.root}")
        return
    run_missing(
        directory,
        name,
        config,
        setup.seeds,
        options,
        dispatch=setup.dispatch,
        run_group=functools.partial(
            _run_group, setup, directory, options.data_directory
        ),
        report=page.write,
    )


def _check(setup: Setup) -> None:
    grid, examples = setup.config.batch_size, len(setup.dataset.train.labels)
    with about("config.batch_size.batch_sizes"):
        check_batch_sizes(grid.batch_sizes)
    numbers = [isinstance(rate, int | float) for rate in grid.learning_rates]
    if not numbers or not all(numbers):
        raise ValueError(
            f"config.batch_size.learning_rates is {grid.learning_rates}; it must hold "
            "one number at least, and numbers only"
        )
    for size in grid.batch_sizes:
        data.batches_per_epoch(examples, size)
    options = setup.config.optimizer.to_dict()
    del options["warmup_epochs"]
    for rate in grid.learning_rates:
        with about("config.batch_size.learning_rates"):
            train.create_optimizer(
                **options | {"learning_rate": rate}, warmup_steps=0, num_steps=1
            )
    if grid.num_steps < 1:
        raise ValueError(
            f"config.batch_size.num_steps is {grid.num_steps}; it must be at least 1"
        )
    if setup.config.optimizer.schedule != "constant":
        raise ValueError(
            f"config.optimizer.schedule is {setup.config.optimizer.schedule!r}; it "
            "must be 'constant': a point is tested at two ends of one training"
        )


def _run_group(
    setup: Setup,
    directory: runs.RunDirectory,
    data_directory: str | None,
    group: tuple[int, ...],
    should_stop: ShouldStop,
) -> None:
    """Measures the grid for some seeds at once, from where it was stopped."""
    grid = setup.config.batch_size
    shape = len(grid.learning_rates), len(grid.batch_sizes)
    checkpoints = Checkpoints(directory.checkpoints(group))
    done, found = _resume(checkpoints, (len(group), *shape, 2))
    wall_time = WallTime(directory, group, resumed=done > 0)
    places = list(np.ndindex(shape))
    with progress.task("points", len(places), start=done) as advance:
        for rate, size in places[done:]:
            if should_stop():
                raise Interrupted(f"stopped after {done} points; {RESUME}")
            of_point = grid.batch_sizes[size], grid.learning_rates[rate]
            point = _at(setup, *of_point, data_directory)
            accuracy, finite = measure(point, setup.config.train.total_epochs, group)
            found.accuracy[:, rate, size] = accuracy
            found.finite[:, rate, size] = finite
            done += 1
            checkpoints.save(done, found)
            wall_time.write()
            shares = " and ".join(f"{100 * x:.1f} %" for x in accuracy.mean(axis=0))
            advance(done, "m = {}, η = {:g}: ".format(*of_point) + shares)
    for number, seed in enumerate(group):
        one = Grid(found.accuracy[number], found.finite[number])
        _finish_seed(setup, directory.seed(seed), one)


def _resume(checkpoints: Checkpoints, shape: tuple[int, ...]) -> tuple[int, Grid]:
    """How many points are done, and what was found at them."""
    empty = Grid(np.full(shape, np.nan), np.full(shape, np.nan))
    resumed = checkpoints.resume(lambda _: empty)
    if resumed is None:
        return 0, empty
    for message in resumed.damaged:
        progress.say(f"{message}; the one before it is taken")
    return resumed.step, Grid(*(np.array(leaf) for leaf in resumed.tree))


def _finish_seed(setup: Setup, directory: runs.SeedDirectory, found: Grid) -> None:
    grid = setup.config.batch_size
    ends = f"{setup.config.train.total_epochs} epochs", f"{grid.num_steps} steps"
    points = {
        f"m={size}, η={rate:g}": {
            f"accuracy after {end}": float(found.accuracy[i, j, k])
            for k, end in enumerate(ends)
        }
        for i, rate in enumerate(grid.learning_rates)
        for j, size in enumerate(grid.batch_sizes)
    }
    results = {"measures": points, "ends": ends, "statistics": statistics_used(setup)}
    arrays = {
        "batch_sizes": np.array(grid.batch_sizes),
        "learning_rates": np.array(grid.learning_rates),
        "accuracy": found.accuracy,
        "finite": found.finite.astype(bool),
    }
    directory.finish(results, arrays)


def measure(
    point: Setup, num_epochs: int, seeds: Sequence[int]
) -> tuple[Float[np.ndarray, "seeds 2"], Bool[np.ndarray, "seeds 2"]]:
    """Test accuracies at one point, and whether the loss was finite.

    Args:
      point: a setup with the batch size and learning rate of the point.
      num_epochs: until the first of the two tests.
      seeds: trained side by side.
    """
    num_steps = point.config.batch_size.num_steps
    ends = num_epochs * point.steps_per_epoch, num_steps
    keys = [jax.random.key(seed) for seed in seeds]
    states, chunk, step = initial_states(point, keys), make_chunk(point, keys), 0
    tested: dict[int, list[Mapping[str, np.ndarray]]] = {}
    for end in sorted(set(ends)):
        states = _advance(point, chunk, states, step, end)
        step = end
        tested[end] = host.fetch([_test(point, state) for state in states])
    accuracy = [[one["accuracy"] for one in tested[end]] for end in ends]
    loss = [[one["loss"] for one in tested[end]] for end in ends]
    return np.array(accuracy, float).T, np.isfinite(loss).T


def _test(setup: Setup, state: train.TrainState) -> Any:
    return setup.evaluations["test"](state.params, state.state)


def _at(
    setup: Setup, batch_size: int, learning_rate: float, data_directory: str | None
) -> Setup:
    """The setup of one point; what is tested, and how, is compiled once for all."""
    config = setup.config.copy_and_resolve_references()
    config.train.batch_size = batch_size
    config.optimizer.learning_rate = learning_rate
    per_epoch = data.batches_per_epoch(len(setup.dataset.train.labels), batch_size)
    config.train.total_epochs = max(
        config.train.total_epochs, math.ceil(config.batch_size.num_steps / per_epoch)
    )
    point = prepare(config, data_directory, {"batch_size": _FIELDS})
    return point._replace(evaluations=setup.evaluations)


def _advance(
    setup: Setup, chunk: train.Chunk, states: train.States, step: int, end: int
) -> train.States:
    """Trains on to a step; a loss that is not finite is an outcome, not an error."""
    longest = setup.config.train.chunk_steps
    while step < end:
        left_of_epoch = setup.steps_per_epoch - step % setup.steps_per_epoch
        count = min(longest, left_of_epoch, end - step)
        states, _ = chunk(states, count, start=step)
        step += count
    return states
