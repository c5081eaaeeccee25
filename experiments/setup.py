"""A config, resolved and checked: data, network, objective, optimizer, schedules.

`prepare` checks everything that can be refused before a run, and writes nothing.
"""

import fnmatch
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from cmd_jax import data, models, sharding, train, trajectory, trees
from cmd_jax.types import Array, Key
from experiments import branch
from experiments.checks import about, check_config, check_memory
from experiments.devices import choose_mesh, choose_placement, state_sharding

_MAX_RECORDS = 10**6


class Processes(NamedTuple):
    """This process among those of a run; None where JAX finds it out by itself."""

    coordinator: str | None = None
    number: int | None = None
    identifier: int | None = None


class Options(NamedTuple):
    """What the command line says besides the config."""

    output: pathlib.Path
    data_directory: str | None
    overwrite: bool
    dry_run: bool
    command: str
    export: pathlib.Path | None = None
    processes: Processes | None = None


class Setup(NamedTuple):
    """A config, resolved and checked: everything that training needs.

    `preprocess(images, *, train, key)` makes inputs of uint8 images; `template` is one
    seed's state as shapes and shardings; `mesh` is None for one device.
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
    placement: str
    mesh: Mesh | None
    template: train.TrainState
    evaluations: Mapping[str, train.Evaluate]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the config asks for."""
        first = self.config.seed
        return tuple(range(first, first + self.config.train.num_seeds))


def prepare(
    config: ConfigDict, data_directory: str | None, study: Mapping[str, Any]
) -> Setup:
    """Loads the data and builds everything; raises where the config cannot be run.

    Args:
      config: of a config file, with the overrides of the command line.
      data_directory: where the data sets are, or None for the default.
      study: the block of the study, see `check_config`.
    """
    check_config(config, study)
    loading = config.data.to_dict()
    crop_padding, flip = loading.pop("crop_padding"), loading.pop("flip")
    del loading["placement"]
    mesh = choose_mesh(config.train)
    dataset = data.load(**loading, directory=data_directory)
    placement = choose_placement(config, dataset.train)
    network = models.create(**config.model.to_dict(), num_classes=dataset.num_classes)
    examples = len(dataset.train.labels)
    steps_per_epoch = data.batches_per_epoch(examples, config.train.batch_size)
    num_steps = steps_per_epoch * config.train.total_epochs
    schedule = _record_schedule(config.record, steps_per_epoch, num_steps)
    options = config.optimizer.to_dict()
    options["warmup_steps"] = options.pop("warmup_epochs") * steps_per_epoch
    with about("config.optimizer"):
        optimizer = train.create_optimizer(**options, num_steps=num_steps)
    preprocess = data.augmenter(dataset, crop_padding=crop_padding, flip=flip)
    dispatch = config.train.dispatch
    if dispatch == "auto" and placement == "host":
        dispatch = "step"
    elif dispatch == "auto":
        dispatch = train.choose_dispatch(network.convolutional, jax.default_backend())
    setup = Setup(
        config=config,
        dataset=dataset,
        network=network,
        objective=train.cross_entropy(network),
        optimizer=optimizer,
        preprocess=preprocess,
        schedule=schedule,
        steps_per_epoch=steps_per_epoch,
        num_steps=num_steps,
        dispatch=dispatch,
        placement=placement,
        mesh=mesh,
        template=_template(
            lambda key: _initial(network, optimizer, preprocess, dataset, key), mesh
        ),
        evaluations=_evaluations(config, dataset, network, preprocess, dispatch, mesh),
    )
    check_memory(
        f"config.model with {config.train.num_seeds} seeds and their optimizer",
        config.train.num_seeds * _num_bytes(setup.template),
    )
    with about("config.record"):
        record_bytes(setup)  # refuses a selection that fits no network
    params = setup.template.params
    return setup._replace(config=branch.resolve(config, setup.seeds, params))


def _num_bytes(template: train.TrainState) -> int:
    leaves = jax.tree.leaves(template)
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves)


def with_dispatch(setup: Setup, dispatch: str) -> Setup:
    """The same setup with its steps and evaluations dispatched in another way."""
    evaluations = _evaluations(
        setup.config,
        setup.dataset,
        setup.network,
        setup.preprocess,
        dispatch,
        setup.mesh,
    )
    return setup._replace(dispatch=dispatch, evaluations=evaluations)


def _template(
    initial: Callable[[Key], train.TrainState], mesh: Mesh | None
) -> train.TrainState:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=state_sharding(mesh)),
        jax.eval_shape(initial, jax.random.key(0)),
    )


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
    mesh: Mesh | None,
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
            mesh=mesh,
        )
        for name, split in splits.items()
        if len(split.labels)
    }


def _record_schedule(
    record: ConfigDict, steps_per_epoch: int, num_steps: int
) -> trajectory.Schedule:
    """The union of the record's schedules; at least step 0 and the last."""
    steps = {0, num_steps}
    every = (record.every_epochs * steps_per_epoch, record.every_steps)
    if sum(num_steps // number for number in every if number) > _MAX_RECORDS:
        raise ValueError(
            f"config.record.every_epochs is {record.every_epochs} and "
            f"config.record.every_steps is {record.every_steps}: of {num_steps:,} "
            f"steps that makes more than {_MAX_RECORDS:,} records"
        )
    for number in filter(None, every):
        steps |= set(trajectory.every_steps(number, total_steps=num_steps).steps)
    if record.num_log_spaced:
        spaced = trajectory.log_spaced(record.num_log_spaced, total_steps=num_steps)
        steps |= set(spaced.steps)
    return trajectory.Schedule(tuple(sorted(steps)))


def selection(record: ConfigDict) -> str | int | None:
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
        setup.template.params, select=selection(record), dtype=record.dtype
    )


def records_whole_network(setup: Setup) -> bool:
    """Whether a record holds every parameter, so that it can be evaluated."""
    return selection(setup.config.record) is None


def num_recorded(setup: Setup) -> int:
    """How many scalars a record holds."""
    record, params = setup.config.record, setup.template.params
    if record.num_weights:
        return record.num_weights
    sizes = zip(trees.leaf_names(params), trees.leaf_sizes(params), strict=True)
    return sum(
        int(size) for name, size in sizes if fnmatch.fnmatchcase(name, record.pattern)
    )


def initial_states(setup: Setup, keys: Sequence[Key]) -> train.States:
    """Every seed's state before the first step."""

    def initial(key: Key) -> train.TrainState:
        return _initial(
            setup.network, setup.optimizer, setup.preprocess, setup.dataset, key
        )

    compiled = train.jit_once(initial)
    states = tuple(compiled(key) for key in keys)
    if setup.mesh is None:
        return states
    return sharding.place(states, sharding.replicated(setup.mesh))


def make_chunk(setup: Setup, keys: Sequence[Key]) -> train.Chunk:
    """The compiled steps of all seeds."""
    return train.make_chunk(
        setup.objective,
        setup.optimizer,
        setup.dataset.train,
        preprocess=lambda images, key: setup.preprocess(images, train=True, key=key),
        batch_size=setup.config.train.batch_size,
        max_steps=min(setup.config.train.chunk_steps, setup.steps_per_epoch),
        dispatch=setup.dispatch,
        vectorize=not setup.network.convolutional,
        keys=keys,
        placement=setup.placement,
        mesh=setup.mesh,
    )


def make_reestimate(setup: Setup) -> train.Reestimate:
    """What every network goes through whose weights training did not end with."""
    return train.make_reestimate(
        setup.network,
        setup.dataset.train.inputs[: setup.config.eval.num_statistics or None],
        preprocess=setup.preprocess,
        batch_size=setup.config.train.batch_size,
        dispatch=setup.dispatch,
        mesh=setup.mesh,
    )


def statistics_used(setup: Setup) -> str:
    """What BatchNorm uses where a re-estimated network is tested, in words."""
    kind = setup.config.model.get("statistics")
    if kind is None:
        return "none, the network has no BatchNorm"
    if kind == "batch":
        return f"the test batch's own, batches of {setup.config.eval.batch_size}"
    available = len(setup.dataset.train.labels)
    number = min(setup.config.eval.num_statistics or available, available)
    return (
        f"running, re-estimated on {number:,} training images, batches of "
        f"{min(setup.config.train.batch_size, number)}"
    )
