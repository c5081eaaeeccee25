"""What the fields of a config may be: names, types, ranges, and what fits this machine.

A config file or a flag may say anything; what is refused here is refused before
anything is written. The options of data sets, networks, optimizers and of the studies'
own methods are checked where they are used.
"""

import contextlib
import importlib.util
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax.spelling import did_you_mean

_LARGEST = 2**31 - 1  # optimizer steps are counted in int32
_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),  # JAX makes the same key of any two that differ by 2^32
    "branch.record": (-_LARGEST, _LARGEST),
    "branch.seed": (-1, 2**32 - 1),
    "train.total_epochs": (1, _LARGEST),
    "train.num_seeds": (1, 1000),
    "train.num_devices": (0, math.inf),
    "train.chunk_steps": (1, math.inf),
    "train.checkpoint_every_seconds": (0, 1e9),
    "eval.every_epochs": (1, math.inf),
    "eval.batch_size": (1, math.inf),
    "eval.num_statistics": (0, math.inf),
    "optimizer.warmup_epochs": (0, _LARGEST),
    "record.every_epochs": (0, math.inf),
    "record.every_steps": (0, math.inf),
    "record.num_log_spaced": (0, 10**6),
    "record.num_weights": (0, math.inf),
}
_CHOICES = {
    "train.dispatch": ("auto", "scan", "step"),
    "data.placement": ("auto", "device", "host"),
}
_OPEN = ("data", "model", "paper")  # blocks with options that others know
_PARTIAL = ("estimators",)  # blocks that need not have all of their fields
_OPTIONAL = {  # fields that a block may have beside those of all configs
    "optimizer": ("beta_2", "clip_norm", "decay_epochs", "decay_factor"),
}
_SINKS = {"log.tensorboard": "tensorboardX", "log.wandb": "wandb"}


def check_config(
    config: ConfigDict, study: Mapping[str, Any], *, without: Sequence[str] = ()
) -> None:
    """Refuses names, types and values that no run can have.

    Args:
      config: of a config file, with the overrides of the command line.
      study: the blocks that the study has beside `config.defaults()`, or in place of
        its own, with any values of the types that they take: `{"modes": {"num_modes":
        10}}`.
      without: blocks of `config.defaults()` that mean nothing to the study.

    Raises:
      ValueError, TypeError: names the field, its value and what is allowed.
      ImportError: a logger that is asked for is not installed.
    """
    known = {**configs.defaults().to_dict(), **study}
    known["estimators"] = configs.estimators().to_dict()
    known = {name: value for name, value in known.items() if name not in without}
    _check_like(config.to_dict(), known, "config")
    for name, (least, most) in _RANGES.items():
        value = _field(config, name)
        if value is None:
            continue
        if not least <= value <= most:
            bound = "" if most == math.inf else f" and at most {most:,}"
            raise ValueError(
                f"config.{name} is {value}; it must be at least {least}{bound}"
            )
    for name, allowed in _CHOICES.items():
        if _field(config, name) not in (None, *allowed):
            raise ValueError(
                f"config.{name} is {_field(config, name)!r}; allowed are "
                f"{', '.join(allowed)}"
            )
    _check_encoder(config)
    for name, package in _SINKS.items():
        if _field(config, name) and importlib.util.find_spec(package) is None:
            raise ImportError(
                f"config.{name} needs {package}, which is not installed: "
                f"pip install {package}"
            )


def _check_encoder(config: ConfigDict) -> None:
    """Refuses a frozen encoder where nothing trains one, or a record has none."""
    if config.model.get("encoder") != "autoencoder":
        return
    if config.study != "least_action":
        raise ValueError(
            f"config.model.encoder is 'autoencoder' in the study {config.study!r}; "
            "allowed is 'learned': only the study 'least_action' trains auto-encoders"
        )
    if config.branch.run:
        raise ValueError(
            "config.model.encoder is 'autoencoder' and config.branch.run is "
            f"{config.branch.run!r}: records do not hold a frozen encoder. Take "
            "'learned', or no branch"
        )


def _field(config: ConfigDict, name: str) -> Any:
    """A field that was found to be of the right type; None if the study has none."""
    block, _, field = name.rpartition(".")
    return config.get(block, {}).get(field) if block else config[field]


def _check_like(value: Any, default: Any, name: str) -> None:
    """Refuses what has other fields than `default`, or a field of another type."""
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is {value!r}; it must be a block of fields")
        block = name.removeprefix("config.")
        if block not in _OPEN:
            _check_names(value, {*default, *_OPTIONAL.get(block, ())}, name)
        for field in default:
            if field not in value and block in _PARTIAL:
                continue
            if field not in value:
                raise ValueError(f"{name} has no field {field!r}, which is needed")
            _check_like(value[field], default[field], f"{name}.{field}")
        return
    allowed = (int, float) if isinstance(default, float) else type(default)
    mistaken = isinstance(value, bool) and not isinstance(default, bool)
    if mistaken or not isinstance(value, allowed):
        raise TypeError(
            f"{name} is {value!r}; it must be of type {type(default).__name__}"
        )


def _check_names(found: Iterable[str], allowed: Iterable[str], name: str) -> None:
    for field in found:
        if field not in allowed:
            raise ValueError(
                f"{name} has no field {field!r}{did_you_mean(field, allowed)}; allowed "
                f"are {', '.join(sorted(allowed))}"
            )


@contextlib.contextmanager
def about(fields: str) -> Iterator[None]:
    """Adds to a ValueError of the body which fields of the config it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} (see {fields})") from error


def check_memory(what: str, num_bytes: int) -> None:
    """Refuses what cannot fit into the memory of one device.

    Raises:
      ValueError: names `what` needs the memory, how much, and how much there is.
    """
    stats = jax.local_devices()[0].memory_stats() or {}  # None on a CPU
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = stats.get("bytes_limit", host)
    if num_bytes > available:
        raise ValueError(
            f"{what} needs {num_bytes / 1e9:,.1f} GB of memory, and there are "
            f"{available / 1e9:,.1f} GB"
        )
