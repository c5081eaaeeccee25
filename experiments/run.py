"""Runs the experiment that a config describes.

    python experiments/run.py --config digits
    python experiments/run.py --config lenet5:smoke --config.train.num_seeds=3

Exit codes: 0 done, or stopped by a signal with everything saved; 1 the run failed (a
loss that is not finite, a full disk); 2 the input was refused, nothing was written.
"""

import pathlib
import sys
from collections.abc import Callable, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from absl import flags  # noqa: E402
from ml_collections import ConfigDict, config_flags  # noqa: E402

from cmd_jax import config as configs  # noqa: E402
from cmd_jax import files  # noqa: E402
from experiments import correlation_modes  # noqa: E402
from experiments.interruption import Interrupted  # noqa: E402
from experiments.progress import say  # noqa: E402
from experiments.training import Options  # noqa: E402

CONFIGS = ROOT / "configs"
USAGE = "usage: python experiments/run.py --config NAME[:ARGUMENT,...] [options]"
STUDIES = {"correlation_modes": correlation_modes.run}
REFUSED = (ValueError, TypeError, FileNotFoundError, ImportError, files.LockedError)


def main(argv: Sequence[str]) -> int:
    """Runs `argv` (program name first) and returns the exit code."""
    if len(argv) < 2:
        return _fail(f"{USAGE}\nconfigs: {', '.join(configs.names(CONFIGS))}")
    try:
        options, config_runs = parse(argv)
        if options is None:
            return 0
        for name, config in config_runs:
            _study(config.study)(name, config, options)
        return 0
    except Interrupted as stopped:
        say(str(stopped))
        return 0
    except flags.Error as error:
        return _fail(f"{error}\n{USAGE}")
    except FloatingPointError as error:
        return _fail(str(error), code=1)
    except REFUSED as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(
            f"{error}. What was recorded so far is kept: run the same command again "
            "when the cause is gone",
            code=1,
        )


def _study(name: str) -> Callable[[str, ConfigDict, Options], None]:
    if name not in STUDIES:
        raise ValueError(
            f"the config's study is {name!r}; allowed are {', '.join(STUDIES)}"
        )
    return STUDIES[name]


def _fail(message: str, code: int = 2) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def parse(
    argv: Sequence[str],
) -> tuple[Options | None, list[tuple[str, ConfigDict]]]:
    """The options and the configs to run in order; None after --help."""
    values = flags.FlagValues()
    config_flag = config_flags.DEFINE_config_file(
        "config",
        None,
        "NAME[:ARGUMENT,...]: a config of configs/, or a path that ends in .py.",
        flag_values=values,
    )
    flags.DEFINE_string("data_dir", None, "Folder of data sets.", flag_values=values)
    flags.DEFINE_string("output", "runs", "Folder of runs.", flag_values=values)
    flags.DEFINE_bool("overwrite", False, "Begin anew.", flag_values=values)
    flags.DEFINE_bool(
        "dry_run", False, "Say what would be done, and do nothing.", flag_values=values
    )
    flags.DEFINE_bool("help", False, "Show this help.", flag_values=values)
    if {"--help", "-h", "-help"} & set(argv):
        say(f"{USAGE}\n{values.main_module_help() or values.get_help()}")
        return None, []
    arguments, name, path = _resolve_config(argv)
    rest = values(arguments)[1:]
    if rest:
        raise flags.Error(f"unexpected argument {rest[0]!r}")
    options = Options(
        output=pathlib.Path(str(values["output"].value)),
        data_directory=values["data_dir"].value,
        overwrite=bool(values["overwrite"].value),
        dry_run=bool(values["dry_run"].value),
        command=" ".join(["python", "experiments/run.py", *argv[1:]]),
    )
    return options, _apply_sweep(name, path, config_flag.value)


def _resolve_config(argv: Sequence[str]) -> tuple[list[str], str, pathlib.Path]:
    """Rewrites `--config NAME:ARGUMENT` to a path and moves it to the front.

    Overrides (`--config.x=1`) are only known to absl once `--config` has been read.
    """
    rest, values, words = [], [], iter(argv[1:])
    for word in words:
        flag, has_value, value = word.partition("=")
        if flag in ("--config", "-config"):
            values.append(value if has_value else next(words, ""))
        else:
            rest.append(word)
    if len(values) != 1 or not values[0]:
        raise flags.Error(
            f"one --config is needed; there are: {', '.join(configs.names(CONFIGS))}"
        )
    name, _, argument = values[0].partition(":")
    path = configs.find(name, CONFIGS)
    located = f"{path}:{argument}" if argument else str(path)
    return [argv[0], f"--config={located}", *rest], path.stem, path


def _apply_sweep(
    name: str, path: pathlib.Path, config: ConfigDict
) -> list[tuple[str, ConfigDict]]:
    runs = []
    for override in configs.overrides(path):
        copy = config.copy_and_resolve_references()
        copy.update_from_flattened_dict(override)
        runs.append((name, copy))
    return runs


if __name__ == "__main__":
    sys.exit(main(sys.argv))
