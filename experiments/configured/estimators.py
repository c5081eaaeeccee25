"""The estimators of a config: which follow its runs, from when on, and what they are.

Record 0 of an estimator is the first one after the initialisation. CMD leaves that out,
for no weight has been trained in it; so do the averages, whose start and window count
trained networks. Online CMD has no estimate before its warm-up of F + 1 records is
fitted: until then it would be the plain network. The warm-up is the recorded run itself
(arXiv 2312.13247, §3.2), read from where it lies.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from cmd_jax import baselines, modes, rng, trees
from cmd_jax.modes.online_estimate import check_forgetting
from cmd_jax.report import METHODS
from cmd_jax.trajectory import Estimator, StoredTrajectory
from cmd_jax.types import Key
from experiments.configured import recording
from experiments.configured.checks import about, check_memory
from experiments.configured.moving_weights import with_moving_samples
from experiments.configured.setup import Setup

_AVERAGES = {"ema": baselines.ema, "swa": baselines.swa, "lawa": baselines.lawa}
_FITTED = ("online", "random_references")
NAMES = {name: METHODS[name] for name in (*_AVERAGES, *_FITTED)}
"""Estimators as configs name them, with their names for readers."""


def following(setup: Setup) -> Mapping[str, ConfigDict]:
    """The estimators that follow a run, by name, with their options.

    None where only a part of the weights is recorded: no record is a network there.
    """
    if not recording.whole_network(setup.config.record):
        return {}
    chosen = setup.config.estimators
    return {name: chosen[name] for name in NAMES if _is_followed(chosen, name)}


def _is_followed(chosen: ConfigDict, name: str) -> bool:
    return name in chosen and chosen[name].every_records > 0


def is_fitted(name: str) -> bool:
    """Whether an estimator begins with the fit of a warm-up."""
    return name in _FITTED


def first_record(name: str, options: ConfigDict) -> int:
    """The record of the run, its initialisation being 0, from which on there is one."""
    warmup = options.warmup_records if is_fitted(name) else 0
    return options.every_records * (warmup + 1)


def create_average(name: str, options: ConfigDict) -> Estimator:
    """EMA, SWA or LAWA.

    Raises:
      ValueError: an option that is not allowed.
    """
    arguments = options.to_dict()
    del arguments["every_records"]
    with about(f"config.estimators.{name}"):
        return _AVERAGES[name](**arguments)


def fit_warmup(
    setup: Setup, name: str, recorded: StoredTrajectory, *, key: Key
) -> Estimator:
    """Online CMD, begun with the fit of the run's warm-up.

    Args:
      setup: from `prepare`.
      name: which of the fitted estimators.
      recorded: the run so far, with its initialisation.
      key: the seed's root key.
    """
    decomposition = decompose_warmup(setup, name, recorded, key=key)
    forgetting = setup.config.estimators[name].forgetting
    return modes.online(decomposition, forgetting=forgetting)


def decompose_warmup(
    setup: Setup, name: str, recorded: StoredTrajectory, *, key: Key
) -> modes.Decomposition:
    """The decomposition of a run's warm-up, with the arguments of `fit_warmup`."""
    options = setup.config.estimators[name]
    every = options.every_records
    warmup = recorded[every::every][: options.warmup_records + 1]
    return modes.decompose(
        warmup,
        **_decomposed(with_moving_samples(setup.config, warmup), name),
        mesh=setup.mesh,
        key=rng.stream(key, name),
    )


def _decomposed(config: ConfigDict, name: str) -> dict[str, Any]:
    """The options of `decompose`: those of the study's modes."""
    options = config.modes.to_dict()
    if name == "random_references":
        options["method"] = "random_references"
    return options


def check(setup: Setup) -> None:
    """Refuses what cannot follow the run, before it starts.

    Raises:
      ValueError: a warm-up that is longer than the run, an option that is not allowed,
        or states that do not fit into memory.
    """
    for name, options in setup.config.estimators.items():
        block = f"config.estimators.{name}"
        if options.every_records < 0:
            raise ValueError(
                f"{block}.every_records is {options.every_records}; it must be at "
                "least 1, or 0 to leave the estimator out"
            )
    for name, options in following(setup).items():
        if is_fitted(name):
            _check_fit(setup, name, options)
        else:
            create_average(name, options)
        _check_start(setup, name, options)
        num_seeds = setup.config.train.num_seeds
        num_weights = trees.count(setup.template.params)
        check_memory(
            f"config.estimators.{name} with {num_seeds} seeds",
            num_seeds * num_weights * _bytes_per_weight(name, options),
        )


def _check_fit(setup: Setup, name: str, options: ConfigDict) -> None:
    if options.warmup_records < 2:
        raise ValueError(
            f"config.estimators.{name}.warmup_records is {options.warmup_records}; it "
            "must be at least 2: the fit needs 3 records"
        )
    with about(f"config.estimators.{name}"):
        check_forgetting(options.forgetting)
    with about(f"config.modes and config.estimators.{name}"):
        modes.check_sizes(
            num_records=options.warmup_records + 1,
            num_weights=trees.count(setup.template.params),
            **_decomposed(setup.config, name),
        )


def _check_start(setup: Setup, name: str, options: ConfigDict) -> None:
    """Refuses an estimator that would not have begun when the run ends."""
    field = "warmup_records" if is_fitted(name) else "start_record"
    every, start = options.every_records, options.get(field, 0)
    available = (len(setup.schedule) - 1) // every
    if start >= available:
        raise ValueError(
            f"config.estimators.{name}.{field} is {start}, which is longer than the "
            f"run: it has {available} records after the initialisation (every_records "
            f"is {every}). Record more often, train longer, or set "
            f"config.estimators.{name}.every_records=0 to leave the estimator out"
        )


def _bytes_per_weight(name: str, options: ConfigDict) -> int:
    """Of a state: a float32 each of mean and origin, and what CMD adds."""
    if is_fitted(name):
        return 13
    return 4 * options.num_records if name == "lawa" else 8
