"""Config files: found by name, loaded with an argument, and what they sweep over."""

import contextlib
import importlib.util
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from cmd_jax.spelling import did_you_mean


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
