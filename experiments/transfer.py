"""The study of learning transfer: train pairs, carry one trajectory to the other net.

A pair is two seeds: 2k is the target, 2k + 1 its source (arXiv 2305.14122, section 4).
Both are trained as every run is; the target's training serves as Oracle and for
comparison only. Source displacements are added to the target's initialisation by each
method; the step t to stop at is chosen on the validation split, and reported on test.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import host, processes, rng, runs, train, transfer
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from cmd_jax.types import Array, Key, Params, PyTree
from experiments import (
    estimate,
    progress,
    recording,
    training,
    transfer_measures,
    transfer_page,
    transfer_training,
)
from experiments.checks import about
from experiments.group_training import Trained
from experiments.options import Options
from experiments.programs import initial_states, make_chunk, statistics_used
from experiments.setup import Setup, prepare

_FIELDS = {
    "num_steps": 10,  # T
    "path": "linear",  # or "recorded"
    "shares": "uniform",  # of the linear path; or "cosine"
    "batch_size": 128,  # of the gradients that are matched
    "num_micro": 1,  # micro-batches of a gradient
    "resample": False,  # a batch for every pair of gradients, not one a step
    "follow_learning_rate": 0.0,  # of training after the transfer; 0: none
}


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the pairs of seeds of `config`."""
    with processes.together():
        setup = prepare(config, options.data_directory, {"transfer": _FIELDS})
        check(setup)
    if options.dry_run:
        directory = training.run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    training.run_seeds(
        setup, name, options, finish=_finish_seed, report=transfer_page.write
    )


def check(setup: Setup) -> None:
    """Refuses what no transfer can be made of.

    Raises:
      ValueError: names the field and what is allowed.
    """
    config, options = setup.config, setup.config.transfer
    if config.seed % 2 or config.train.num_seeds % 2:
        raise ValueError(
            f"config.seed is {config.seed} and config.train.num_seeds is "
            f"{config.train.num_seeds}; both must be even: seed 2k is a target, seed "
            "2k + 1 its source"
        )
    if not recording.whole_network(config.record):
        raise ValueError(
            "config.record leaves out weights: a transfer needs whole networks"
        )
    if not len(setup.dataset.validation.labels):
        raise ValueError(
            "config.data.num_validation is 0: the step to stop at is chosen on a "
            "validation split"
        )
    if min(options.batch_size, options.num_micro, options.num_steps) < 1:
        raise ValueError(
            f"config.transfer.batch_size is {options.batch_size}, num_micro "
            f"{options.num_micro} and num_steps {options.num_steps}; each must be at "
            "least 1"
        )
    if not 0 <= options.follow_learning_rate < float("inf"):
        raise ValueError(
            f"config.transfer.follow_learning_rate is {options.follow_learning_rate}; "
            "it must be positive, or 0 to leave out training after the transfer"
        )
    asked, available = options.batch_size * options.num_micro, setup.dataset.train
    if asked > len(available.labels):
        raise ValueError(
            f"config.transfer asks for batches of {options.num_micro} x "
            f"{options.batch_size} images, and there are {len(available.labels)} to "
            "train on"
        )
    with about("config.transfer.shares and config.transfer.num_steps"):
        transfer.step_shares(options.shares, options.num_steps)
    if options.path not in transfer.PATHS:
        raise ValueError(
            f"config.transfer.path is {options.path!r}; allowed are "
            f"{', '.join(transfer.PATHS)}"
        )
    if options.path == "recorded":
        _stride(len(setup.schedule), options.num_steps)


def _stride(num_records: int, num_steps: int) -> int:
    """Every which record a recorded path takes."""
    stride, rest = divmod(num_records - 1, num_steps)
    if rest or not stride:
        raise ValueError(
            f"config.transfer.num_steps is {num_steps} on a recorded path, and config."
            f"record gives {num_records - 1} records after the first: the number must "
            "divide that of the records"
        )
    return stride


def _finish_seed(
    setup: Setup, directory: runs.SeedDirectory, seed: int, trained: Trained
) -> None:
    """Transfers to a target; a source has nothing of its own to hand over."""
    results = {"accuracy": {}, "metrics": {}, "statistics": statistics_used(setup)}
    arrays: dict[str, np.ndarray] = {}
    if seed % 2 == 0:
        run = runs.RunDirectory(directory.root.parent)
        source, target = (_open(setup, run.seed(s)) for s in (seed + 1, seed))
        progress.say(f"seed {seed}: transferring the training of seed {seed + 1}")
        key = rng.stream(jax.random.key(seed), "transfer")
        state = host.fetch(trained.state.state)
        transfers = _transfers(setup, source, target, state, key=key)
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


def _open(setup: Setup, directory: runs.SeedDirectory) -> StoredTrajectory:
    return Trajectory.open(directory.trajectory, like=setup.template.params)


def _transfers(
    setup: Setup,
    source: StoredTrajectory,
    target: StoredTrajectory,
    state: PyTree,
    *,
    key: Key,
) -> dict[str, transfer.Transfer]:
    """The transfer by every method, in the order to show; they share the batches."""
    options = setup.config.transfer
    groups = find_groups(setup, target[0], state)
    path = {name: options[name] for name in ("num_steps", "path", "shares")}
    if options.path == "recorded":
        source = source[:: _stride(len(source), options.num_steps)]
    batches = make_batches(setup, key=key)
    known: dict[int, Any] = {}
    found = {
        method: transfer.transfer(
            source,
            target[0],
            groups,
            setup.objective,
            batches,
            state,
            method=method,
            source_gradients=known,
            **path,
            key=key,
        )
        for method in ("naive", "gmt", "fgmt")
    }
    return {**found, "oracle": transfer.oracle(source, target, groups, **path)}


def find_groups(
    setup: Setup, params: Params, state: PyTree
) -> transfer.PermutationGroups:
    """The permutation groups of the network's parameters."""

    def logits(variables: tuple[Params, PyTree], inputs: Array) -> Array:
        return setup.network.apply(*variables, inputs, train=False)[0]

    inputs = setup.preprocess(setup.dataset.train.inputs[:2])
    return transfer.permutation_groups(logits, (params, state), inputs).within("0")


def make_batches(setup: Setup, *, key: Key) -> PyTree | Callable[[int, int], PyTree]:
    """The batches of the gradients, with the transforms of training.

    A pytree of leaves [num_steps, micro, batch, ...]; a function where every pair of
    gradients has a batch of its own.
    """
    options, examples = setup.config.transfer, setup.dataset.train

    def draw(s: int, t: int) -> PyTree:
        shape = (options.num_micro, options.batch_size)
        drawn = rng.generator(rng.stream(key, "batch", s, t)).choice(
            len(examples.labels), np.prod(shape), replace=False
        )
        inputs = setup.preprocess(
            examples.inputs[drawn], train=True, key=rng.stream(key, "augment", s, t)
        )
        return {
            "inputs": inputs.reshape(*shape, *inputs.shape[1:]),
            "labels": examples.labels[drawn].reshape(shape),
        }

    if options.resample:
        return draw
    batches = [draw(0, t) for t in range(1, options.num_steps + 1)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *host.fetch(batches))


def from_scratch(setup: Setup, key: Key) -> train.TrainState:
    """The target trained on as many images as FGMT takes gradients of."""
    options, config = setup.config.transfer, setup.config
    num_images = 2 * options.num_steps * options.num_micro * options.batch_size
    num_steps = min(setup.num_steps, max(1, num_images // config.train.batch_size))
    (state,), _ = train.train(
        initial_states(setup, [key]),
        make_chunk(setup, [key]),
        (),
        start_step=0,
        num_steps=num_steps,
        steps_per_epoch=setup.steps_per_epoch,
        chunk_steps=config.train.chunk_steps,
    )
    return state
