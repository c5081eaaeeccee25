"""The study of LAP: train along the path of least action, measure the flow, report.

A run is one of three variants: the multiplier's, a fixed weight of the transport cost,
or vanilla, whose cost is told and not minimised. Its network is tested at the end and
at the evaluation that was best on the validation split; its flow is measured on the
test set at the end (arXiv 2009.08372, section 4).
"""

import functools
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import data, host, least_action, models, processes, runs, train
from cmd_jax.types import Array
from experiments.configured import estimate
from experiments.configured.checks import about
from experiments.configured.setup import Setup, prepare
from experiments.least_action import page, results
from experiments.process import progress
from experiments.process.options import Options
from experiments.training.group import Trained
from experiments.training.seeds import run_directory, run_seeds

_FIELDS = {
    "variant": "",
    "initial": 1.0,
    "rate": 1.0,
    "every": 1,
    "maximum": 1.0,
    "weight": 0.0,
    "reduction": "",
    "num_train": 0,
    "stratified": False,
    "num_assigned": 0,
}
_MULTIPLIER = ("initial", "rate", "every", "maximum")


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the seeds of `config`."""
    with processes.together():
        setup = prepare(
            config,
            options.data_directory,
            {"least_action": _FIELDS},
            wrap=lambda network, objective: _wrap(config, network, objective),
            draw=lambda dataset: _draw(config, dataset),
        )
        _check_flow(setup)
    if options.dry_run:
        directory = run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    finish = functools.partial(
        _finish_seed,
        measure=least_action.make_measure(
            setup.network,
            setup.dataset.test,
            preprocess=setup.preprocess,
            batch_size=config.eval.batch_size,
            mesh=setup.mesh,
        ),
        move=least_action.make_clouds(setup.network),
    )
    run_seeds(setup, name, options, finish=finish, report=page.write)


def _wrap(
    config: ConfigDict, network: models.Network, objective: train.Objective
) -> tuple[models.Network, train.Objective]:
    block = config.least_action
    multiplier: dict[str, Any] = {name: block[name] for name in _MULTIPLIER}
    variants: dict[str, dict[str, Any]] = {
        "vanilla": {"fixed": 0.0},
        "multiplier": multiplier,
        "fixed weight": {"fixed": block.weight},
    }
    with about("config.least_action"):
        made = {
            name: least_action.regularize(
                objective, reduction=block.reduction, **chosen
            )
            for name, chosen in variants.items()
        }
        if block.variant not in made:
            raise ValueError(
                f"variant={block.variant!r}; allowed are {', '.join(made)}"
            )
    objective, init_state = made[block.variant]
    return least_action.carry_state(network, init_state), objective


def _draw(config: ConfigDict, dataset: data.Dataset) -> data.Subset | None:
    block = config.least_action
    if not block.num_train:
        return None
    with about("config.least_action.num_train"):
        return data.make_subset(
            dataset.train.labels,
            block.num_train,
            num_classes=dataset.num_classes,
            stratified=block.stratified,
        )


def _check_flow(setup: Setup) -> None:
    """Refuses a network without a flow, before the run; nothing is computed."""
    inputs = jax.eval_shape(setup.preprocess, setup.dataset.test.inputs[:1])
    flow, template = setup.network.flow, setup.template
    assert flow is not None  # that of a Linen module
    if not jax.eval_shape(flow, template.params, template.state, inputs)[2]:
        raise ValueError(
            f"config.model.name is {setup.config.model.name!r}, a network with no "
            "block that keeps the dimension: there is no flow to move along. Take "
            "one_rep, resnet110, resnext50 or point_resnet"
        )
    if setup.config.least_action.num_assigned < 0:
        raise ValueError("config.least_action.num_assigned must not be negative")


def _finish_seed(
    setup: Setup,
    directory: runs.SeedDirectory,
    seed: int,
    trained: Trained,
    *,
    measure: least_action.Measure,
    move: least_action.Clouds,
) -> None:
    """Measures and writes a trained seed; both functions are compiled once a run."""
    progress.say(f"seed {seed}: measuring the flow")
    state = trained.state
    measures = measure(state.params, state.state)
    test, number = setup.dataset.test, setup.config.least_action.num_assigned
    labels = test.labels[:number]
    clouds = _clouds(move, state, setup.preprocess(test.inputs[:number]))
    multiplier = _multiplier(setup, seed, state)
    statistics = _statistics(state)
    with processes.together():
        if processes.is_primary():
            found = results.collect(
                directory, measures, clouds, labels, multiplier, statistics
            )
            directory.finish(*found)


def _clouds(
    move: least_action.Clouds, state: train.TrainState, inputs: Array
) -> list[np.ndarray]:
    """Test examples before and after each block, stage by stage; none of no examples.

    On one device, as every process has them all.
    """
    if not len(inputs):
        return []
    params, carried = host.fetch((state.params, state.state))
    return host.fetch(move(params, carried, inputs))


def _multiplier(setup: Setup, seed: int, state: train.TrainState) -> float | None:
    """λ at the end; None where there is none. Says so where it reached its maximum."""
    if not isinstance(state.state, least_action.LeastActionState):
        return None
    value = float(host.fetch(state.state.multiplier.value))
    if value >= np.float32(setup.config.least_action.maximum):
        progress.say(
            f"seed {seed}: the multiplier reached config.least_action.maximum, "
            f"{value:g}: the task was not solved, and the transport term has faded"
        )
    return value


def _statistics(state: train.TrainState) -> str:
    if "batch_stats" in least_action.inner_state(state.state):
        return "running, as gathered in training"
    return "none, the network has no BatchNorm"
