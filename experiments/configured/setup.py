"""A config, resolved and checked: data, network, objective, optimizer, schedules.

`prepare` checks everything that can be refused before a run, and writes nothing.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from cmd_jax import data, models, train, trajectory
from cmd_jax.types import Array, Key
from experiments.configured import branch, embedding, pretrained, recording
from experiments.configured.checks import about, check_config, check_memory
from experiments.configured.devices import choose_mesh, choose_placement, state_sharding
from experiments.process import progress

Wrap = Callable[
    [models.Network, train.Objective], tuple[models.Network, train.Objective]
]
"""What a study makes of a network and its objective."""

_AUGMENTING = ("crop_padding", "crop_scale", "image_size", "flip")  # of config.data


class Setup(NamedTuple):
    """A config, resolved and checked: everything that training needs.

    `preprocess(images, *, train, key)` makes inputs of stored ones; `initial(key)` is
    a seed's state before the first step, and `template` its shapes and shardings;
    `mesh` is None for one device; `subset` draws the examples that a seed trains on,
    None for all.
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
    initial: Callable[[Key], train.TrainState]
    template: train.TrainState
    evaluations: Mapping[str, train.Evaluate]
    subset: data.Subset | None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the config asks for."""
        first = self.config.seed
        return tuple(range(first, first + self.config.train.num_seeds))


def prepare(
    config: ConfigDict,
    data_directory: str | None,
    study: Mapping[str, Any],
    *,
    wrap: Wrap = lambda network, objective: (network, objective),
    draw: Callable[[data.Dataset], data.Subset | None] = lambda dataset: None,
) -> Setup:
    """Loads the data and builds everything; raises where the config cannot be run.

    Args:
      config: of a config file, with the overrides of the command line.
      data_directory: where the data sets are, or None for the default.
      study: the block of the study, see `check_config`.
      wrap: the study's change of the objective, and of the network whose state it is.
      draw: the study's choice of a training subset for each seed.
    """
    check_config(config, study)
    loading = config.data.to_dict()
    augmenting = {name: loading.pop(name) for name in _AUGMENTING}
    del loading["placement"]
    mesh = choose_mesh(config.train)
    dataset = data.load(**loading, directory=data_directory, task=progress.task)
    placement = choose_placement(config, dataset.train)
    network = models.create(**config.model.to_dict(), num_classes=dataset.num_classes)
    _check_kind(config, dataset)
    network, objective = wrap(network, train.cross_entropy(network))
    subset = draw(dataset)
    num_examples = len(dataset.train.labels) if subset is None else subset.size
    steps_per_epoch = data.batches_per_epoch(num_examples, config.train.batch_size)
    num_steps = steps_per_epoch * config.train.total_epochs
    schedule = recording.schedule(
        config.record, steps_per_epoch=steps_per_epoch, num_steps=num_steps
    )
    optimizer = make_optimizer(config, steps_per_epoch, num_steps)
    with about("config.data"):
        preprocess = data.augmenter(dataset, **augmenting)

    def initial(key: Key) -> train.TrainState:
        inputs = preprocess(dataset.train.inputs[:1])
        return train.initial_state(network, optimizer, inputs, key=key)

    setup = Setup(
        config=config,
        dataset=dataset,
        network=network,
        objective=objective,
        optimizer=optimizer,
        preprocess=preprocess,
        schedule=schedule,
        steps_per_epoch=steps_per_epoch,
        num_steps=num_steps,
        dispatch="",
        placement=placement,
        mesh=mesh,
        initial=initial,
        template=_template(initial, mesh),
        evaluations={},
        subset=subset,
    )
    _check_size(setup)
    setup = with_dispatch(setup, _choose_dispatch(config, network, placement))
    params = setup.template.params
    resolved = pretrained.resolve(config, params)
    resolved = branch.resolve(resolved, setup.seeds, params)
    return setup._replace(config=resolved)


def _check_kind(config: ConfigDict, dataset: data.Dataset) -> None:
    """Refuses a text for a network that takes images, and images for one of texts."""
    if dataset.of_tokens != (config.model.name in models.OF_TOKENS):
        kind, rule = ("a text", "") if dataset.of_tokens else ("no text", "not ")
        raise ValueError(
            f"config.model.name is {config.model.name!r} and {dataset.name!r} is "
            f"{kind}: allowed are models that are {rule}among "
            f"{', '.join(models.OF_TOKENS)}, which take texts"
        )


def with_dispatch(setup: Setup, dispatch: str) -> Setup:
    """The setup with its steps, and the evaluation of each split, dispatched so."""
    splits = {"validation": setup.dataset.validation, "test": setup.dataset.test}
    evaluations = {
        name: train.make_evaluate(
            setup.network,
            split,
            preprocess=setup.preprocess,
            batch_size=setup.config.eval.batch_size,
            dispatch=dispatch,
            mesh=setup.mesh,
        )
        for name, split in splits.items()
        if len(split.labels)
    }
    return setup._replace(dispatch=dispatch, evaluations=evaluations)


def make_optimizer(
    config: ConfigDict, steps_per_epoch: int, num_steps: int, **changes: Any
) -> optax.GradientTransformation:
    """The config's optimizer; `changes` replace fields of `config.optimizer`."""
    options = config.optimizer.to_dict() | changes
    options["warmup_steps"] = options.pop("warmup_epochs") * steps_per_epoch
    if "decay_epochs" in options:
        epochs = options.pop("decay_epochs")
        options["decay_steps"] = [epoch * steps_per_epoch for epoch in epochs]
    with about("config.optimizer"):
        optimizer = train.create_optimizer(**options, num_steps=num_steps)
    return embedding.wrap(config, optimizer, steps_per_epoch)


def _template(
    initial: Callable[[Key], train.TrainState], mesh: Mesh | None
) -> train.TrainState:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=state_sharding(mesh)),
        jax.eval_shape(initial, jax.random.key(0)),
    )


def _check_size(setup: Setup) -> None:
    """Refuses a network that does not fit into memory, or records that do not fit it.

    Nothing is computed yet.
    """
    num_seeds = setup.config.train.num_seeds
    leaves = jax.tree.leaves(setup.template)
    num_bytes = sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves)
    check_memory(
        f"config.model with {num_seeds} seeds and their optimizer",
        num_seeds * num_bytes,
    )
    with about("config.record"):
        recording.num_bytes(setup.config.record, setup.template.params)


def _choose_dispatch(
    config: ConfigDict, network: models.Network, placement: str
) -> str:
    if config.train.dispatch != "auto":
        return config.train.dispatch
    if placement == "host":
        return "step"
    return train.choose_dispatch(network.convolutional, jax.default_backend())
