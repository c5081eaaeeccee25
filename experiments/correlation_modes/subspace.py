"""P-SGD and P-BFGS on a recorded run: the config's block `subspace`.

As in the DLDR paper (Li et al., TPAMI 2022) both start from the run's initialisation,
in the subspace of its first records. "Equal" takes as many records as online CMD's
warm-up, "long" takes more (the CMD paper's names). The epochs of the records count as
theirs, so that they end with the run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from cmd_jax import data, rng, runs
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.report import METHODS
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from experiments.configured import recording
from experiments.configured.setup import Setup
from experiments.correlation_modes.subspace_training import (
    Outcome,
    Plan,
    train_in_subspace,
)
from experiments.process import progress
from experiments.training.group import Trained

_NEEDS = {"p_sgd": "long", "p_bfgs_equal": "equal", "p_bfgs_long": "long"}


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
    _check_methods(block.methods)
    for kind in sorted({_NEEDS[name] for name in block.methods}):
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
    if not 0 < block.learning_rate < float("inf"):
        raise ValueError(
            f"config.subspace.learning_rate is {block.learning_rate}; it must be "
            "positive and finite"
        )
    _check_batch(setup)


def _check_methods(methods: Sequence[str]) -> None:
    unknown = [name for name in methods if name not in _NEEDS]
    if unknown or not methods or len(set(methods)) < len(methods):
        raise ValueError(
            f"config.subspace.methods is {tuple(methods)}; allowed are one or more of "
            f"{', '.join(_NEEDS)}, each once"
        )


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
    for name in setup.config.subspace.methods:
        plan = _plan(setup, recorded, name)
        progress.say(
            f"seed {seed}: {METHODS[name]} in {plan.num_directions} directions of the "
            f"first {plan.begun} epochs"
        )
        checkpoints = Checkpoints(directory.subspace / name)
        key = rng.stream(jax.random.key(seed), name)
        found[name] = train_in_subspace(setup, plan, checkpoints, trained, key)
        if found[name].failure:
            progress.say(f"seed {seed}: {METHODS[name]}: {found[name].failure}")
    return found


def _plan(setup: Setup, recorded: StoredTrajectory, name: str) -> Plan:
    block, config = setup.config.subspace, setup.config.train
    num_records = block[f"{_NEEDS[name]}_records"]
    batch_size = config.batch_size if name == "p_sgd" else block.batch_size
    num_examples = len(setup.dataset.train.labels)
    steps_per_epoch = data.batches_per_epoch(num_examples, batch_size)
    begun = setup.schedule.steps[num_records] // setup.steps_per_epoch
    return Plan(
        name=name,
        records=recorded[: num_records + 1],
        num_directions=min(block.num_directions, num_records),
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        begun=begun,
        num_steps=steps_per_epoch * (config.total_epochs - begun),
        learning_rate=block.learning_rate if name == "p_sgd" else None,
    )


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
