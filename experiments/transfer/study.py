"""The study of learning transfer: train pairs, carry one trajectory to the other net.

A pair is two seeds: 2k is the target, 2k + 1 its source (arXiv 2305.14122, section 4).
Both are trained as every run is; the target's training serves as Oracle and for
comparison only. Source displacements are added to the target's initialisation by each
method; the step t to stop at is chosen on the validation split, and reported on test.
"""

from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import host, processes, rng, runs
from cmd_jax.types import PyTree
from experiments.configured import estimate, recording
from experiments.configured.programs import statistics_used
from experiments.configured.setup import Setup, prepare
from experiments.process import progress
from experiments.process.options import Options
from experiments.training.group import Trained
from experiments.training.seeds import run_directory, run_seeds
from experiments.transfer import further_training, measures, page
from experiments.transfer.checks import FIELDS, check
from experiments.transfer.ensembles import make_accuracy
from experiments.transfer.methods import carry, from_scratch


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the pairs of seeds of `config`."""
    with processes.together():
        setup = prepare(config, options.data_directory, {"transfer": FIELDS})
        check(setup)
    if options.dry_run:
        directory = run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    run_seeds(setup, name, options, finish=_finish_seed, report=page.write)


def _finish_seed(
    setup: Setup, directory: runs.SeedDirectory, seed: int, trained: Trained
) -> None:
    """Transfers to a target; a source has nothing of its own to hand over."""
    results = {
        "accuracy": {},
        "measures": {},
        "statistics": statistics_used(setup),
        "num_records": len(setup.schedule) - 1,
    }
    arrays: dict[str, np.ndarray] = {}
    if seed % 2 == 0:
        progress.say(f"seed {seed}: transferring the training of seed {seed + 1}")
        state = host.fetch(trained.state.state)
        found, arrays = _transfer_to(setup, directory, seed, state)
        results |= found
    with processes.together():
        if processes.is_primary():
            directory.finish(results, arrays)


def _transfer_to(
    setup: Setup, directory: runs.SeedDirectory, seed: int, state: PyTree
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The results and arrays of the pair whose target is `seed`."""
    run = runs.RunDirectory(directory.root.parent)
    source, target = (
        recording.open_recorded(run.seed(number), setup.template.params)
        for number in (seed + 1, seed)
    )
    key = jax.random.key(seed)
    transfers = carry(setup, source, target, state, key=rng.stream(key, "transfer"))
    scratch = from_scratch(setup, key)
    results, arrays = measures.measure_pair(
        setup, source, target, transfers, scratch, state
    )
    best = {m: int(results["measures"][m]["best_step"]) for m in transfers}
    chosen = {m: found.params(best[m]) for m, found in transfers.items()}
    accuracy = make_accuracy(setup, source[-1], state)
    seconds = {**chosen, "trained": target[-1]}
    ensembles = {"ensemble_accuracy": {m: accuracy(p) for m, p in seconds.items()}}
    if setup.config.transfer.follow_learning_rate:
        followed = further_training.train_on(setup, chosen, state, key=key)
        arrays |= further_training.curves(setup, directory, followed)
        ensembles["followed_ensemble_accuracy"] = {
            m: accuracy(found.state.params) for m, found in followed.items()
        }
    measures.add_measures(results["measures"], **ensembles)
    return results, arrays
