"""Configs: the fields that every run has, arguments of a config file, and the hash.

A file `configs/<name>.py` defines `get_config(argument=None) -> ConfigDict` and, where
it sweeps, `sweep()`: a list of dicts of overrides, run in order. It starts from
`defaults()`, which is where a field's meaning is written down.
"""

import contextlib
import copy
import hashlib
import importlib.util
import json
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from cmd_jax.spelling import did_you_mean

# What does not change a run's numbers, and so is no part of its directory's name.
_NOT_HASHED = (
    ("seed",),
    ("train", "num_seeds"),
    ("train", "checkpoint_every_seconds"),
    ("train", "num_devices"),  # the same numbers up to rounding
    ("data", "placement"),
    ("log",),
    ("paper",),
    ("quick",),
    # Of a branch the source's hash, step and seed count, wherever its directory lies.
    ("branch", "run"),
    ("branch", "record"),
)


def defaults() -> ConfigDict:
    """The fields that every config has, with the values that a run starts from."""
    return ConfigDict(
        {
            "study": "",  # the file of experiments/ that runs this config
            "seed": 0,  # of the first replica; the others follow
            "data": {
                "name": "digits",
                "num_validation": 0,  # examples held out of the training set
                "crop_padding": 0,  # random crops of images padded by so many pixels
                "flip": False,  # random horizontal flips
                "placement": "auto",  # of training images: "device", or "host" if large
            },
            "model": {"name": "mlp"},  # and the options of that family
            "optimizer": {
                "name": "sgd",  # or "adam"
                "learning_rate": 0.1,
                "momentum": 0.0,  # of SGD; Adam's beta_1
                "nesterov": False,
                "weight_decay": 0.0,  # added to the gradient, as in PyTorch
                "schedule": "constant",  # or "cosine", to zero at the last step
                "warmup_epochs": 0,  # of a linear rise from zero
            },
            "train": {
                "total_epochs": 1,
                "batch_size": 128,
                "num_seeds": 1,  # replicas in one run: seeds seed, seed + 1, ...
                "num_devices": 0,  # that share a batch; 0: as many as divide it
                "dispatch": "auto",  # "scan", "step", or what is faster here
                "chunk_steps": 200,  # optimizer steps between two looks, at most
                "checkpoint_every_seconds": 60.0,
            },
            "record": {  # the union of the three; always step 0 and the last
                "every_epochs": 1,  # 0: not by epochs
                "every_steps": 0,
                "num_log_spaced": 0,
                "pattern": "*",  # of the leaves' names, as "*/kernel"
                "num_weights": 0,  # a random sample of so many; 0: all
                "dtype": "float32",  # or "bfloat16_delta": from the first record
            },
            "branch": {  # start from a record of another run
                "run": "",  # its directory; "": start from a random initialisation
                "record": -1,  # negative: counted from the end
                "seed": -1,  # of the source; -1: each seed from the same seed
                "fresh": "",  # leaves that begin at random, as "dense_2/*": a new head
            },
            "eval": {
                "every_epochs": 1,
                "batch_size": 500,
                "num_statistics": 5000,  # training images for re-estimation; 0: all
            },
            "estimators": {},  # that follow the run beside it: see `estimators`
            "log": {"tensorboard": False, "wandb": ""},  # wandb: a project's name
            "paper": {},  # the paper's number of a method, to stand beside ours
            "quick": "",  # a variant that takes minutes, named where a run takes hours
        }
    )


def modes(*, num_modes: int = 10, num_samples: int = 1000) -> ConfigDict:
    """The block `modes` of a study of correlation modes: options of `modes.decompose`.

    Args:
      num_modes: M of the CMD paper.
      num_samples: K, the weights whose correlations are clustered.

    Example:
      >>> from cmd_jax import config
      >>> config.modes(num_modes=3).num_samples
      1000
    """
    return ConfigDict(
        {
            "num_modes": num_modes,
            "num_samples": num_samples,
            "method": "k_medoids",  # or "hierarchical", "random_references"
            "num_restarts": 1,
        }
    )


def estimators(*, warmup_records: int = 20) -> ConfigDict:
    """All that can follow a run and be tested beside it; settings fixed beforehand.

    Records are counted from 0, which is the first one after the initialisation; an
    estimator takes every `every_records`-th of them, and 0 leaves it out. Both of CMD's
    have the modes of the config's block `modes`.

    Args:
      warmup_records: F of the CMD paper: at record F, after F + 1 records, the modes
        are fitted and SWA begins.

    Example:
      >>> from cmd_jax import config
      >>> config.estimators().ema.decay
      0.9
    """
    cmd = {"every_records": 1, "warmup_records": warmup_records, "forgetting": 1.0}
    return ConfigDict(
        {
            "ema": {"every_records": 1, "decay": 0.9},
            "swa": {"every_records": 1, "start_record": warmup_records},
            "lawa": {"every_records": 1, "num_records": 5},
            "online": cmd,
            "random_references": dict(cmd),
        }
    )


def least_action(
    *, initial: float, rate: float, every: int, reduction: str
) -> ConfigDict:
    """The block of LAP's study; what a sweep goes over is its `variant`.

    Args:
      initial: λ_0 of the multiplier, for this reduction.
      rate: τ, likewise.
      every: s, steps between two changes of λ.
      reduction: of the features: "sum" or "mean", or the un-squared "norm".

    Example:
      >>> from cmd_jax import config
      >>> config.least_action(initial=1, rate=1, every=5, reduction="sum").variant
      'multiplier'
    """
    return ConfigDict(
        {
            "variant": "multiplier",  # or "vanilla", "fixed weight"
            "initial": float(initial),
            "rate": float(rate),
            "every": every,
            "maximum": 1e8,  # of λ: a task that is not solved would raise it for ever
            "weight": 0.01,  # μ of the variant "fixed weight"
            "reduction": reduction,
            "num_train": 0,  # examples that each seed draws to train on; 0: all
            "stratified": False,  # whether each class has its share of them
            "num_assigned": 200,  # test examples of the assignment gap; 0: none
        }
    )


def embedding(*, treatment: str = "tied", every_records: int = 10) -> ConfigDict:
    """The block `embedding`: weights become functions of their references in training.

    The fit that is embedded is that of the estimator `online`, which has to follow the
    run; its `warmup_records` are F. The rest is `modes.EmbeddingRule`.

    Args:
      treatment: "snap" as released, "freeze" or "tied"; "none" trains all weights.
      every_records: L of the CMD paper: records from one round to the next.

    Example:
      >>> from cmd_jax import config
      >>> config.embedding().per_cent
      10.0
    """
    return ConfigDict(
        {
            "treatment": treatment,
            "every_records": every_records,
            "per_cent": 10.0,  # P: of all weights, that join in a round
            "of_remaining": False,  # or of those that are left
            "criterion": "coefficients",  # or "function", "relative"
        }
    )


def subspace(*, long_records: int = 80, batch_size: int = 1024) -> ConfigDict:
    """The block `subspace`: P-SGD and P-BFGS in the subspace of a run's first records.

    Both train on to the run's own number of epochs from where its records end.

    Args:
      long_records: records after the initialisation that P-SGD and P-BFGS (long) take.
      batch_size: of P-BFGS; P-SGD has that of the run.

    Example:
      >>> from cmd_jax import config
      >>> config.subspace().num_directions
      40
    """
    return ConfigDict(
        {
            "num_directions": 40,  # at most; fewer where the records span fewer
            "equal_records": 20,  # that P-BFGS (equal) takes: as many as online CMD
            "long_records": long_records,
            "batch_size": batch_size,
        }
    )


def parse_argument(argument: str | None, **options: Any) -> dict[str, Any]:
    """Parses the argument of a config, `NAME:smoke,width=16`.

    Args:
      argument: comma-separated names and `name=value`s; None or "" for none.
      **options: the allowed names with their default values. A value is parsed to its
        default's type; a bare name means True.

    Raises:
      ValueError: an unknown name, or a value of another type.

    Example:
      >>> from cmd_jax.config import parse_argument
      >>> parse_argument("smoke,width=16", smoke=False, width=64)
      {'smoke': True, 'width': 16}
    """
    values = dict(options)
    for item in filter(None, (argument or "").split(",")):
        name, has_value, text = item.partition("=")
        if name not in options:
            raise ValueError(
                f"unknown config argument {name!r}{did_you_mean(name, options)}; "
                f"allowed are {', '.join(sorted(options))}"
            )
        values[name] = _parse_value(name, text if has_value else "true", options[name])
    return values


def _parse_value(name: str, text: str, default: Any) -> Any:
    kind = type(default)
    booleans = {"true": True, "false": False}
    try:
        return booleans[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(
            f"config argument {name!r} is {text!r}; it must be a {kind.__name__}"
        ) from None


def names(folder: pathlib.Path) -> list[str]:
    """The configs of a folder."""
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def find(name: str, folder: pathlib.Path) -> pathlib.Path:
    """The file of a config, by its name in `folder` or by a path that ends in .py.

    Raises:
      ValueError: there is none; the message lists what exists.
    """
    if name.endswith(".py"):
        path = pathlib.Path(name)
        if not path.is_file():
            raise ValueError(f"there is no config file {name!r}")
        return path
    allowed = names(folder)
    if name not in allowed:
        raise ValueError(
            f"unknown config {name!r}{did_you_mean(name, allowed)}; "
            f"there are: {', '.join(allowed)}"
        )
    return folder / f"{name}.py"


def load(path: str | pathlib.Path, argument: str | None = None) -> ConfigDict:
    """Loads `get_config(argument)` of a config file.

    Raises:
      ValueError: the file cannot be run, defines no `get_config`, or refuses its
        argument.
    """
    module = _module(pathlib.Path(path))
    if not hasattr(module, "get_config"):
        raise ValueError(f"{path} defines no get_config(argument=None)")
    with _foreign_code(path):
        config = module.get_config(argument)
    if not isinstance(config, ConfigDict):
        raise ValueError(f"get_config of {path} gives {config!r}, not a ConfigDict")
    return config


def overrides(path: str | pathlib.Path) -> list[dict[str, Any]]:
    """What a config file's `sweep()` gives; one empty override if it has none.

    An override is flat, `{"optimizer.learning_rate": 0.1}`.
    """
    module = _module(pathlib.Path(path))
    if not hasattr(module, "sweep"):
        return [{}]
    with _foreign_code(path):
        return list(module.sweep())


def _module(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _foreign_code(path):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _foreign_code(path: str | pathlib.Path) -> Iterator[None]:
    """Turns whatever a config file raises into a ValueError that names the file."""
    try:
        yield
    except ValueError:  # what `parse_argument` and `find` raise speaks for itself
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ValueError(f"config file {path}: {kind}: {error}") from error


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON would give it back: dicts, lists, strings and numbers."""
    return json.loads(json.dumps(config.to_dict()))


def digest(config: ConfigDict) -> str:
    """Eight hex digits of everything in a config that changes its numbers.

    Example:
      >>> from cmd_jax import config
      >>> a, b = config.defaults(), config.defaults()
      >>> b.seed = 7
      >>> config.digest(a) == config.digest(b)
      True
    """
    canonical = json.dumps(_hashed(to_dict(config)), sort_keys=True).encode()
    return hashlib.blake2b(canonical, digest_size=4).hexdigest()


def differences(values: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """The fields that change a config's numbers and are not as in another config.

    A field that `values` lacks is left out: it was written before there was one.

    Args:
      values: as `to_dict` gives it.
      base: what it is compared with, in the same form.

    Returns:
      Flat names with their values in `values`, in alphabetical order.

    Example:
      >>> from cmd_jax import config
      >>> base = config.to_dict(config.defaults())
      >>> momentum = {**base["optimizer"], "momentum": 0.9}
      >>> config.differences({**base, "seed": 7, "optimizer": momentum}, base)
      {'optimizer.momentum': 0.9}
    """
    flat, flat_base = _flat(_hashed(values)), _flat(_hashed(base))
    return {
        name: flat[name]
        for name in sorted(flat)
        if name not in flat_base or flat[name] != flat_base[name]
    }


def _hashed(values: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config's values without what does not change its numbers."""
    values = copy.deepcopy(values)
    if not values.get("branch", {}).get("run"):
        values.pop("branch", None)
    for *parents, last in _NOT_HASHED:
        block = values
        for name in parents:
            block = block.get(name, {})
        block.pop(last, None)
    return values


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": x for inner, x in _flat(value).items()}
        else:
            flat[name] = value
    return flat
