"""The study of phase transitions: a diagram over mini-batch sizes and seeds.

One run is one model with one N, d and start: all mini-batch sizes and all seeds are
replicas of one compiled program. Sizes, connectivities and starts are the config's
`sweep()`, and the page shows a run beside the others of its config.
"""

import functools
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax import phase_transition, runs
from cmd_jax.checkpoints import Checkpoints
from experiments.configured.checks import about, check_config, check_memory
from experiments.phase_transition import neighbours, page, sgd_page
from experiments.process import progress
from experiments.process.interruption import RESUME, Interrupted
from experiments.process.options import Options
from experiments.process.seed_groups import ShouldStop, check_alone, run_missing
from experiments.process.wall_time import WallTime

_BLOCKS = {
    "train": {"num_seeds": 1, "num_devices": 0, "checkpoint_every_seconds": 60.0},
    "phase_transition": {
        "batch_sizes": (1,),
        "num_sweeps": 2000,
        "test_every": 50,
        "stationary": False,
    },
}
_WITHOUT = ("data", "optimizer", "record", "branch", "eval", "estimators", "log")


class _Setup(NamedTuple):
    """A config, resolved and checked."""

    config: ConfigDict
    model: phase_transition.Model
    budget: phase_transition.Budget

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the config asks for."""
        first = self.config.seed
        return tuple(range(first, first + self.config.train.num_seeds))

    def sweep(self, seeds: tuple[int, ...]) -> phase_transition.Sweep:
        """The replicas of some seeds."""
        return phase_transition.Sweep(
            self.model,
            self.config.phase_transition.batch_sizes,
            [jax.random.key(seed) for seed in seeds],
            self.budget,
            self.config.train.num_devices or None,
        )


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the seeds of `config`."""
    check_alone(name, options)
    setup = _prepare(config)
    digest = configs.digest(config)
    directory = runs.RunDirectory(options.output / f"{name}-{digest}")
    if options.dry_run:
        _describe(setup, directory)
        return
    run_missing(
        directory,
        name,
        config,
        setup.seeds,
        options,
        dispatch="scan",
        run_group=functools.partial(_run_group, setup, directory),
        report=page.write,
    )


def _prepare(config: ConfigDict) -> _Setup:
    """Checks everything that can be refused before a run; writes nothing."""
    check_config(config, _BLOCKS, without=_WITHOUT)
    block = config.phase_transition
    with about("config.model"):
        model = phase_transition.create(**config.model)
    with about("config.phase_transition"):
        budget = phase_transition.Budget(
            block.num_sweeps, block.test_every, block.stationary
        )
        phase_transition.check_budget(budget)
        phase_transition.check_batch_sizes(block.batch_sizes)
    with about("config.model and config.phase_transition"):
        model.check(max(block.batch_sizes))
    num_replicas = len(block.batch_sizes) * config.train.num_seeds
    with about(
        "config.train.num_seeds: fewer seeds at a time take less, and others, from "
        "config.seed on, go to the same run"
    ):
        check_memory(
            f"a sweep of {len(block.batch_sizes)} mini-batch sizes x "
            f"{config.train.num_seeds} seeds",
            num_replicas * model.replica_bytes(max(block.batch_sizes)),
        )
    return _Setup(config, model, budget)


def _describe(setup: _Setup, directory: runs.RunDirectory) -> None:
    """Prints replicas, sweeps, time and directory; writes nothing."""
    block = setup.config.phase_transition
    sizes = ", ".join(map(str, block.batch_sizes))
    sweep = setup.sweep(setup.seeds)
    rows = (
        ("model", setup.config.model.name),
        ("batch sizes", sizes),
        ("seeds", ", ".join(map(str, setup.seeds))),
        ("replicas", f"{sweep.num_replicas} on {sweep.num_devices} devices"),
        ("sweeps", f"{block.num_sweeps:,} at most, a test every {block.test_every}"),
        ("training", f"at most {_seconds(sweep, setup.budget)} on this machine"),
        ("directory", str(directory.root)),
    )
    for label, value in rows:
        progress.say(f"{label:<12}{value}")


def _seconds(sweep: phase_transition.Sweep, budget: phase_transition.Budget) -> str:
    """How long all sweeps take, by a chunk of them."""
    state = jax.block_until_ready(sweep.advance(sweep.start()))  # compiles
    done, began = int(state.sweep), time.monotonic()
    state = jax.block_until_ready(sweep.advance(state))
    seconds = (time.monotonic() - began) / (int(state.sweep) - done)
    return progress.duration(seconds * budget.num_sweeps + 1)


def _run_group(
    setup: _Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: ShouldStop,
) -> None:
    """Sweeps a group of seeds from its last checkpoint, or from the start."""
    sweep = setup.sweep(group)
    checkpoints = Checkpoints(directory.checkpoints(group))
    state = sweep.start()
    resumed = checkpoints.resume(lambda _: state)
    wall_time = WallTime(directory, group, resumed=resumed is not None)
    if resumed is not None:
        for message in resumed.damaged:
            progress.say(f"{message}; the one before it is taken")
        progress.say(f"going on from sweep {resumed.step}")
        state = resumed.tree
    saved = time.monotonic()
    total, step = setup.budget.num_sweeps, int(state.sweep)
    with progress.task("sweeps", total, start=step) as advance:
        while not sweep.done(state):
            if should_stop():
                checkpoints.save(step, state)
                wall_time.write()
                raise Interrupted(f"stopped at sweep {step} of {total}; {RESUME}")
            state = sweep.advance(state)
            step = int(state.sweep)
            passed = f"{sweep.num_passed(state)} of {sweep.num_replicas} have passed"
            advance(min(step, total), passed)
            every = setup.config.train.checkpoint_every_seconds
            if time.monotonic() - saved >= every:
                checkpoints.save(step, state)
                wall_time.write()
                saved = time.monotonic()
    wall_time.write()
    diagram = sweep.diagram(state)
    columns = {
        name: getattr(diagram, name) for name in neighbours.COLUMNS
    } | sgd_page.measure(setup.model, diagram, group)
    for number, seed in enumerate(group):
        arrays = {name: values[:, number] for name, values in columns.items()}
        _finish_seed(directory.seed(seed), diagram, arrays)


def _finish_seed(
    directory: runs.SeedDirectory,
    diagram: phase_transition.Diagram,
    arrays: dict[str, np.ndarray],
) -> None:
    """Writes what one seed measured at every mini-batch size."""
    points = {
        f"m={size}": {
            name: float(arrays[name][point])
            for name in arrays
            if np.isfinite(arrays[name][point])
        }
        for point, size in enumerate(diagram.batch_sizes)
    }
    results: dict[str, Any] = {
        "measures": points,
        "statistics": "none, the network has no BatchNorm",
        "num_units": diagram.num_units,
        "degree": diagram.degree,
        "start": diagram.start,
    }
    directory.finish(results, arrays | {"batch_sizes": diagram.batch_sizes})
