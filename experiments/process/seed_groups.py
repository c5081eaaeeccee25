"""Running what is missing of a config's seeds, for a study that is one process.

Studies that train networks on data have `training/seeds.py`; the files are the same.
"""

from collections.abc import Callable, Sequence

from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax import runs
from experiments.process import environment, progress
from experiments.process.interruption import stop_on_signals
from experiments.process.options import Options

ShouldStop = Callable[[], bool]


def run_missing(
    directory: runs.RunDirectory,
    name: str,
    config: ConfigDict,
    seeds: Sequence[int],
    options: Options,
    *,
    dispatch: str,
    run_group: Callable[[tuple[int, ...], ShouldStop], None],
    report: Callable[[runs.RunDirectory], None],
) -> None:
    """Runs the groups of seeds that are missing, and reports over all that are there.

    Args:
      directory: of the run.
      name: of the config.
      config: of the run.
      seeds: those that the config asks for.
      options: the command line.
      dispatch: how the steps are dispatched.
      run_group: the study: finishes every seed of a group.
      report: writes the page over the finished seeds.

    Raises:
      ValueError: the command line asks for what only a network's training has.
      Interrupted: a signal asked to stop; everything is saved.
    """
    document = {
        "name": name,
        "hash": configs.digest(config),
        "dispatch": dispatch,
        "config": configs.to_dict(config),
    }
    if options.overwrite:
        directory.remove()
    directory.check_config(document)
    groups = directory.groups_to_run(seeds)
    with stop_on_signals() as should_stop:
        for group in groups:
            directory.create(document)
            with directory.claim(group):
                here = environment.describe(options.command)
                directory.write_environment(here, group)
                run_group(group, should_stop)
    conclude(directory, report, new=bool(groups))


def conclude(
    directory: runs.RunDirectory,
    report: Callable[[runs.RunDirectory], None],
    *,
    new: bool,
) -> None:
    """Writes the page where there is something new, and says where it lies."""
    if new or not directory.report.exists():
        report(directory)
    else:
        progress.say(f"{directory.root} is finished; --overwrite begins anew")
    progress.say(f"report: {directory.report}")


def check_alone(name: str, options: Options) -> None:
    """Refuses options that a study of one process, without networks, cannot serve.

    Raises:
      ValueError: names the config and the options.
    """
    given = (options.processes, options.export, options.training_of)
    if given != (None, None, None):
        raise ValueError(
            f"{name} runs in one process and keeps no network: start it without "
            "--distributed, --coordinator, --export and --training_of"
        )
