"""Training the seeds of a config: what is missing, whose it is, the page over all.

Of several processes all train, and the primary alone decides by the files, and writes.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from cmd_jax import config as configs
from cmd_jax import processes, runs
from experiments.configured.setup import Setup, with_dispatch
from experiments.process import environment, progress
from experiments.process.interruption import RESUME, Interrupted, stop_on_signals
from experiments.process.options import Options
from experiments.process.seed_groups import conclude
from experiments.training import export, reuse
from experiments.training.group import Trained, train_group

Finish = Callable[[Setup, runs.SeedDirectory, int, Trained], None]


def run_directory(setup: Setup, name: str, options: Options) -> runs.RunDirectory:
    """Where the runs of this config lie."""
    digest = configs.digest(setup.config)
    return runs.RunDirectory(options.output / f"{name}-{digest}")


def run_seeds(
    setup: Setup,
    name: str,
    options: Options,
    *,
    finish: Finish,
    report: Callable[[runs.RunDirectory], None],
) -> None:
    """Trains what is missing of the config's seeds, and reports over all of them.

    Args:
      setup: from `prepare`.
      name: the config's name.
      options: the command line.
      finish: the study: takes a trained seed, in every process, and ends by
        `SeedDirectory.finish` in the primary.
      report: writes the page over the finished seeds; called by the primary.
    """
    directory = run_directory(setup, name, options)
    document = {
        "name": name,
        "hash": configs.digest(setup.config),
        "dispatch": setup.dispatch,
        "placement": setup.placement,
        "num_devices": 1 if setup.mesh is None else setup.mesh.size,
        "config": configs.to_dict(setup.config),
    }
    _check_same(document)
    groups = processes.from_primary(
        lambda: _missing_groups(setup, directory, document, options)
    )
    if groups:
        setup = _as_begun(setup, directory)
    with stop_on_signals() as should_stop:
        for group in map(tuple, groups):
            with _owned(directory, group, document, options):
                _run_group(setup, directory, group, should_stop, finish)
    with processes.together():
        if processes.is_primary():
            conclude(directory, report, new=bool(groups))
            if options.export is not None:
                export.write(setup, directory, options.export)


def _check_same(document: dict[str, Any]) -> None:
    """Refuses a process that was started with another config than the primary."""
    of_primary = processes.from_primary(lambda: document)
    with processes.together():
        if document != of_primary:
            raise ValueError(
                f"this process runs {document['name']} with hash {document['hash']}, "
                f"the primary {of_primary['name']} with hash {of_primary['hash']}: "
                "start all processes with the same command"
            )


def _missing_groups(
    setup: Setup,
    directory: runs.RunDirectory,
    document: dict[str, Any],
    options: Options,
) -> list[tuple[int, ...]]:
    if options.export is not None:
        export.check(setup, options.export)
    source = None
    if options.training_of is not None:
        source = reuse.find(options.training_of, directory, document, setup.seeds)
    if options.overwrite:
        directory.remove()
    directory.check_config(document)
    if source is not None:
        reuse.take_over(source, directory, document, setup.seeds)
    return directory.groups_to_run(setup.seeds)


@contextlib.contextmanager
def _owned(
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    document: dict[str, Any],
    options: Options,
) -> Iterator[None]:
    """The run directory and a group of its seeds belong to this run for the body."""
    with contextlib.ExitStack() as claimed:
        with processes.together():
            if processes.is_primary():
                directory.create(document)
                claimed.enter_context(directory.claim(group))
                here = environment.describe(options.command)
                directory.write_environment(here, group)
        yield


def _as_begun(setup: Setup, directory: runs.RunDirectory) -> Setup:
    """The setup with the dispatch that the run began with, maybe elsewhere.

    Another dispatch rounds otherwise: a resumed run would not be the same one.
    """

    def dispatch() -> str:
        if not directory.root.exists():
            return setup.dispatch
        return directory.config()["dispatch"]

    begun = processes.from_primary(dispatch)
    if begun == setup.dispatch:
        return setup
    progress.say(
        f"steps are dispatched by {begun!r}, as this run began; this machine alone "
        f"would choose {setup.dispatch!r}"
    )
    return with_dispatch(setup, begun)


def _run_group(
    setup: Setup,
    directory: runs.RunDirectory,
    group: tuple[int, ...],
    should_stop: Callable[[], bool],
    finish: Finish,
) -> None:
    trained = train_group(setup, directory, group, should_stop)
    finished = processes.from_primary(directory.finished_seeds)
    for seed, result in zip(group, trained, strict=True):
        if processes.agree(should_stop()):
            raise Interrupted(f"stopped with all steps done; {RESUME}")
        if seed not in finished:
            finish(setup, directory.seed(seed), seed, result)
