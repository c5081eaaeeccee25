"""Runs the experiment that a config describes.

    python experiments/run.py --config digits
    python experiments/run.py --config lenet5:smoke --config.train.num_seeds=3

On several machines (docs/devices.md) the same command is started once on each:

    python experiments/run.py --config lenet5 --distributed

Exit codes: 0 done, or stopped by a signal with everything saved; 1 the run failed (a
loss that is not finite, a full disk); 2 the input was refused, nothing was written.
"""

import contextlib
import os
import pathlib
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import jax  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import ConfigDict  # noqa: E402

from cmd_jax import config as configs  # noqa: E402
from cmd_jax import files, processes  # noqa: E402
from experiments.batch_size import study as batch_size  # noqa: E402
from experiments.correlation_modes import study as correlation_modes  # noqa: E402
from experiments.least_action import study as least_action  # noqa: E402
from experiments.phase_transition import study as phase_transition  # noqa: E402
from experiments.process import command_line  # noqa: E402
from experiments.process.interruption import Interrupted  # noqa: E402
from experiments.process.options import Options  # noqa: E402
from experiments.process.progress import say  # noqa: E402
from experiments.process.sweep import chosen_runs, swept_fields  # noqa: E402
from experiments.transfer import study as transfer  # noqa: E402

CONFIGS = ROOT / "configs"
USAGE = "usage: python experiments/run.py --config NAME[:ARGUMENT,...] [options]"
STUDIES = {
    "batch_size": batch_size.run,
    "correlation_modes": correlation_modes.run,
    "least_action": least_action.run,
    "phase_transition": phase_transition.run,
    "transfer": transfer.run,
}
REFUSED = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    ImportError,
    files.LockedError,
)


def main(argv: Sequence[str]) -> int:
    """Runs `argv` (program name first) and returns the exit code."""
    if len(argv) < 2:
        return _fail(f"{USAGE}\n{_known_configs()}")
    try:
        options, config_runs = parse(argv)
        if options is None:
            return 0
        if options.processes is not None:
            processes.start(*options.processes)
        with _only_primary_prints(), processes.lost_processes():
            _run_in_order(config_runs, options)
        return 0
    except flags.Error as error:
        return _fail(f"{error}\n{USAGE}")
    except (FloatingPointError, processes.ProcessError) as error:
        return _fail(str(error), code=1)
    except MemoryError as error:
        return _fail(f"out of memory. {error}", code=1)
    except REFUSED as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(
            f"{error}. What was recorded so far is kept: run the same command again "
            "when the cause is gone",
            code=1,
        )


def _run_in_order(
    config_runs: Sequence[tuple[str, ConfigDict]], options: Options
) -> None:
    """Runs a sweep to its end, also where the loss of one run is not finite."""
    diverged = []
    try:
        for name, config in config_runs:
            try:
                _study(config.study)(name, config, options)
            except FloatingPointError as error:
                diverged.append(str(error))
                if config is not config_runs[-1][1]:
                    say(f"{error}. The sweep goes on")
    except Interrupted as stopped:
        say(str(stopped))
    if diverged:
        raise FloatingPointError("\n".join(diverged))


@contextlib.contextmanager
def _only_primary_prints() -> Iterator[None]:
    """Of several processes only the primary says what all of them do."""
    with contextlib.ExitStack() as muted:
        if not processes.is_primary():
            nowhere = muted.enter_context(open(os.devnull, "w"))
            muted.enter_context(contextlib.redirect_stdout(nowhere))
        yield


def _study(name: str) -> Callable[[str, ConfigDict, Options], None]:
    if name not in STUDIES:
        raise ValueError(
            f"the config's study is {name!r}; allowed are {', '.join(STUDIES)}"
        )
    return STUDIES[name]


def _fail(message: str, code: int = 2) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def parse(argv: Sequence[str]) -> tuple[Options | None, list[tuple[str, ConfigDict]]]:
    """The options and the named configs to run in order; None after --help."""
    values = command_line.define_flags()
    if {"--help", "-h", "-help"} & set(argv):
        say(f"{USAGE}\n{_known_configs()}\n{values.get_help()}")
        return None, []
    name, argument, rest = _take_config(argv)
    path = configs.find(name, CONFIGS)
    config = configs.load(path, argument)
    command_line.read_flags(values, config, rest)
    command = shlex.join(["python", "experiments/run.py", *argv[1:]])
    options = command_line.options(values, command)
    sweep = chosen_runs(path, argument, config, _overridden(rest))
    for flag in ("export", "training_of"):
        if getattr(options, flag) is not None and len(sweep) > 1:
            raise flags.Error(
                f"--{flag} is of one run, and {name} is a sweep of {len(sweep)}: "
                f"choose one by --config.{' and --config.'.join(swept_fields(path))}"
            )
    return options, [(path.stem, run) for run in sweep]


def _take_config(argv: Sequence[str]) -> tuple[str, str, list[str]]:
    """The config's name, its argument, and the other words of the command line.

    absl knows the fields that `--config.x=1` can override once the config is read.
    """
    rest, found, words = [], [], iter(argv)
    for word in words:
        flag, has_value, value = word.partition("=")
        if flag.endswith("."):
            raise flags.Error(f"{word!r} names no field of the config")
        if flag in ("--config", "-config"):
            found.append(value if has_value else next(words, ""))
        elif flag.startswith("--config.") and not all(flag.split(".")):
            raise flags.Error(f"{word} names no field of the config")
        else:
            rest.append(word)
    if len(found) != 1 or not found[0]:
        raise flags.Error(f"one --config is needed; {_known_configs()}")
    name, _, argument = found[0].partition(":")
    return name, argument, rest


def _known_configs() -> str:
    return f"configs: {', '.join(configs.names(CONFIGS))}"


def _overridden(words: Sequence[str]) -> list[str]:
    """The fields of the config that the command line sets."""
    found = (re.fullmatch(r"--?(?:no)?config\.([^=]+)(?:=.*)?", w) for w in words)
    return [match[1] for match in found if match]


if __name__ == "__main__":
    try:
        code = main(sys.argv)
    except Exception:
        if not jax.distributed.is_initialized():
            raise
        traceback.print_exc()
        code = 1
    if code and jax.distributed.is_initialized():
        processes.leave(code)
    sys.exit(code)
