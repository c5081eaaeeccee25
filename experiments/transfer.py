"""The study of learning transfer: train pairs, carry one trajectory to the other net.

A pair is two seeds: 2k is the target, 2k + 1 its source (arXiv 2305.14122, section 4).
Both are trained as every run is; the target's training serves as Oracle and for
comparison only. Source displacements are added to the target's initialisation by each
method; the step t to stop at is chosen on the validation split, and reported on test.
"""

from collections.abc import Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import host, processes, rng, runs
from cmd_jax.types import Params, PyTree
from experiments import (
    estimate,
    progress,
    recording,
    training,
    transfer_measures,
    transfer_page,
    transfer_training,
)
from experiments.group_training import Trained
from experiments.options import Options
from experiments.programs import statistics_used
from experiments.setup import Setup, prepare
from experiments.transfer_checks import FIELDS, check
from experiments.transfer_methods import carry, from_scratch


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the pairs of seeds of `config`."""
    with processes.together():
        setup = prepare(config, options.data_directory, {"transfer": FIELDS})
        check(setup)
    if options.dry_run:
        directory = training.run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    training.run_seeds(
        setup, name, options, finish=_finish_seed, report=transfer_page.write
    )


def _finish_seed(
    setup: Setup, directory: runs.SeedDirectory, seed: int, trained: Trained
) -> None:
    """Transfers to a target; a source has nothing of its own to hand over."""
    results = {
        "accuracy": {},
        "metrics": {},
        "statistics": statistics_used(setup),
        "num_records": len(setup.schedule) - 1,
    }
    arrays: dict[str, np.ndarray] = {}
    if seed % 2 == 0:
        run = runs.RunDirectory(directory.root.parent)
        source, target = (
            recording.open_recorded(run.seed(number), setup.template.params)
            for number in (seed + 1, seed)
        )
        progress.say(f"seed {seed}: transferring the training of seed {seed + 1}")
        key = rng.stream(jax.random.key(seed), "transfer")
        state = host.fetch(trained.state.state)
        transfers = carry(setup, source, target, state, key=key)
        scratch = from_scratch(setup, jax.random.key(seed))
        found, arrays = transfer_measures.measure_pair(
            setup, source, target, transfers, scratch, state
        )
        results |= found
        if setup.config.transfer.follow_learning_rate:
            starts = {
                method: transfers[method].params(int(step))
                for method, step in results["metrics"]["best_step"].items()
            }
            arrays |= _train_on(setup, directory, starts, state, seed)
    with processes.together():
        if processes.is_primary():
            directory.finish(results, arrays)


def _train_on(
    setup: Setup,
    directory: runs.SeedDirectory,
    starts: Mapping[str, Params],
    state: PyTree,
    seed: int,
) -> dict[str, np.ndarray]:
    """Accuracies of training after the transfer, and of the standard training."""
    followed = transfer_training.train_on(
        setup, starts, state, key=jax.random.key(seed)
    )
    standard = transfer_training.standard(directory)
    return {
        **{f"followed_{method}": values for method, values in followed.items()},
        "standard_epochs": standard["step"] / setup.steps_per_epoch,
        "standard": standard["accuracy"],
    }
