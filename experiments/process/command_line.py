"""The flags of the command line, and the options that they become."""

import pathlib
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

from experiments.process.options import Options, Processes


def define_flags() -> flags.FlagValues:
    """The flags of every study; those of the config are defined when it is loaded."""
    values = flags.FlagValues()
    flags.DEFINE_string("data_dir", None, "Folder of data sets.", flag_values=values)
    flags.DEFINE_string("output", "runs", "Folder of runs.", flag_values=values)
    flags.DEFINE_string(
        "export",
        None,
        "Folder for each finished seed's last record, as .safetensors.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "training_of",
        None,
        "Finished run that trained the same networks; they are not trained again.",
        flag_values=values,
    )
    flags.DEFINE_bool("overwrite", False, "Begin anew.", flag_values=values)
    flags.DEFINE_bool(
        "dry_run", False, "Say what would be done, and do nothing.", flag_values=values
    )
    flags.DEFINE_bool(
        "distributed",
        False,
        "One of several processes, which JAX finds: TPU pods, Slurm, Open MPI.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "coordinator",
        None,
        "One of several processes: HOST:PORT of process 0.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_processes", None, "How many there are.", flag_values=values
    )
    flags.DEFINE_integer(
        "process_id", None, "Which of them this is, from 0.", flag_values=values
    )
    return values


def read_flags(
    values: flags.FlagValues, config: ConfigDict, words: Sequence[str]
) -> None:
    """Reads the command line into the flags, and its overrides into the config.

    Raises:
      Error: of the flags; names what is unknown or cannot be.
    """
    try:
        config_flags.DEFINE_config_dict(
            "config", config, sys_argv=words, flag_values=values
        )
        unexpected = values(words)[1:]
    except (AttributeError, IndexError, KeyError) as error:  # an unknown field
        hint = str(error.args[0])
        for written, meant in (("\\n", " "), ("\n", " "), ("\\'", "")):
            hint = hint.replace(written, meant)
        raise flags.Error(f"unknown field of the config: {hint}") from error
    for option in ("data_dir", "output", "export", "training_of"):
        if str(values[option].value).startswith("-"):
            raise flags.Error(
                f"--{option} is {values[option].value!r}; it needs a folder"
            )
    if unexpected:
        raise flags.Error(f"unexpected argument {unexpected[0]!r}")
    _check_training(values)


def _check_training(values: flags.FlagValues) -> None:
    """Refuses a dry run that would say how long a training takes that is not made."""
    if values["training_of"].value and values["dry_run"].value:
        raise flags.Error(
            "--dry_run says what training takes, and with --training_of there is none: "
            "leave one of them out"
        )


def options(values: flags.FlagValues, command: str) -> Options:
    """The options that were read; `command` is what the user typed."""
    return Options(
        output=pathlib.Path(str(values["output"].value)),
        data_directory=values["data_dir"].value,
        overwrite=bool(values["overwrite"].value),
        dry_run=bool(values["dry_run"].value),
        command=command,
        export=_folder(values["export"].value),
        training_of=_folder(values["training_of"].value),
        processes=_processes(values),
    )


def _folder(value: str | None) -> pathlib.Path | None:
    return None if value is None else pathlib.Path(value)


def _processes(values: flags.FlagValues) -> Processes | None:
    names = ("coordinator", "num_processes", "process_id")
    given = [values[name].value for name in names]
    if given == [None, None, None]:
        return Processes() if values["distributed"].value else None
    if None in given:
        raise flags.Error(
            "--coordinator, --num_processes and --process_id belong together; on a TPU "
            "pod, under Slurm or Open MPI --distributed alone is enough"
        )
    return Processes(*given)
