"""What the command line says besides the config."""

import pathlib
from typing import NamedTuple


class Processes(NamedTuple):
    """This process among those of a run; None where JAX finds it out by itself."""

    coordinator: str | None = None
    number: int | None = None
    identifier: int | None = None


class Options(NamedTuple):
    """The options of `run.py` that are the same for every study."""

    output: pathlib.Path
    data_directory: str | None
    overwrite: bool
    dry_run: bool
    command: str
    export: pathlib.Path | None = None
    training_of: pathlib.Path | None = None
    processes: Processes | None = None
