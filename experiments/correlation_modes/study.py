"""The study of CMD: train, follow, record, decompose, reconstruct, report (P2, eq. 2).

Estimators follow the training: online CMD and what it is compared with. At its end the
whole trajectory is decomposed without its initialisation, the random-walk null is
measured beside it, and the reconstructed networks are tested like the recorded ones.
All of them are tested with running statistics re-estimated, where a network has any,
for a record holds the weights only.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax import modes, processes, rng, runs, trees
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from experiments.configured import embedding, estimate, estimators, recording
from experiments.configured.checks import about, check_memory
from experiments.configured.moving_weights import with_moving_samples
from experiments.configured.programs import statistics_used
from experiments.configured.setup import Setup, prepare
from experiments.correlation_modes import (
    accuracy,
    analysis,
    dynamics,
    embedding_page,
    page,
    subspace,
)
from experiments.process import progress
from experiments.process.options import Options
from experiments.training.group import Trained
from experiments.training.seeds import run_directory, run_seeds

_NUM_SHOWN = 6  # weights whose fit is drawn, spread over the sampled ones
_MAX_MATRIX = 1000  # sampled weights in the picture of the correlation matrix


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the seeds of `config`."""
    with processes.together():
        setup = prepare(config, options.data_directory, _blocks(config))
        params = setup.template.params
        with about("config.modes, and config.record of what config.model has"):
            modes.check_sizes(
                num_records=len(setup.schedule) - 1,
                num_weights=recording.num_recorded(config.record, params),
                **config.modes,
            )
        estimators.check(setup)
        embedding.check(config, len(setup.schedule))
        subspace.check(setup)
        # The correlation matrix and the dissimilarities.
        check_memory("config.modes.num_samples", 2 * 4 * config.modes.num_samples**2)
    if options.dry_run:
        directory = run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    run_seeds(setup, name, options, finish=_finish_seed, report=page.write)


def _blocks(config: ConfigDict) -> dict[str, Any]:
    """The study's own blocks: its modes, and what the config asks for beside them."""
    asked = {
        "embedding": configs.embedding().to_dict(),
        "subspace": configs.subspace().to_dict(),
    }
    blocks = {name: block for name, block in asked.items() if name in config}
    return {"modes": configs.modes().to_dict(), **blocks}


def _finish_seed(
    setup: Setup, directory: runs.SeedDirectory, seed: int, trained: Trained
) -> None:
    projected = subspace.train_all(setup, directory, seed, trained)
    progress.say(f"seed {seed}: decomposing {directory.trajectory}")
    recorded = Trajectory.open(directory.trajectory, like=setup.template.params)[1:]
    setup = setup._replace(config=with_moving_samples(setup.config, recorded))
    key = rng.stream(jax.random.key(seed), "modes")
    decomposition = modes.decompose(
        recorded, **setup.config.modes, mesh=setup.mesh, key=key
    )
    null = modes.random_walk_null(recorded, **setup.config.modes, key=key)
    epochs = recorded.steps / setup.steps_per_epoch
    tested = accuracy.tested_records(setup, recorded.steps)
    curves = accuracy.curves(setup, recorded, decomposition, trained, directory)
    curves["accuracy"] |= subspace.curves(projected)
    results = {
        **{metric: _last(by_method) for metric, by_method in curves.items()},
        "statistics": statistics_used(setup),
        "num_records": len(recorded),
        **_figures_of_merit(decomposition, null),
        **embedding_page.results(setup, trained.state),
        **subspace.results(projected),
    }
    arrays = {
        "epochs": epochs,
        "evaluated_epochs": epochs[tested],
        **{
            f"{metric}_{name}": values
            for metric, by_method in curves.items()
            for name, values in by_method.items()
        },
        **_figure_arrays(recorded, decomposition),
        **embedding_page.arrays(setup, recorded.steps),
        **dynamics.compare(setup, recorded, decomposition, trained, tested),
        **analysis.analyse(setup, recorded, decomposition, trained.state, key=key),
    }
    with processes.together():
        if processes.is_primary():
            directory.finish(results, arrays)


def _figures_of_merit(
    decomposition: modes.Decomposition, null: modes.NullModel
) -> dict[str, Any]:
    """How well the modes stand for the weights, beside chance; how many there are."""
    return {
        "correlation": decomposition.mean_correlation,
        "r_squared": decomposition.mean_r_squared,
        "null_correlation": null.correlation,
        "null_r_squared": null.r_squared,
        "num_modes": len(decomposition.references),
        "num_samples": len(decomposition.samples),
        "num_constant": decomposition.num_constant,
        "carried": list(decomposition.carried),
    }


def _last(curves: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The numbers at the last record, of the methods that have one there."""
    return {
        name: float(values[-1])
        for name, values in curves.items()
        if np.isfinite(values[-1])
    }


def _figure_arrays(
    recorded: StoredTrajectory, decomposition: modes.Decomposition
) -> dict[str, np.ndarray]:
    """What the page's figures need: sampled histories, fits, the modes in each leaf."""
    samples = np.asarray(decomposition.samples)[:_MAX_MATRIX]
    histories = modes.gather(recorded, samples)
    columns = (decomposition.labels, decomposition.slope, decomposition.intercept)
    labels, slope, intercept = (_at(tree, samples) for tree in columns)
    shown = np.linspace(0, len(samples) - 1, _NUM_SHOWN).round().astype(int)
    references = decomposition.reference_history[:, labels[shown]]
    leaf, offset = trees.locate(samples[shown], trees.leaf_sizes(recorded.template))
    names = trees.leaf_names(recorded.template)
    return {
        "leaf_names": np.array(names),
        "leaf_sizes": trees.leaf_sizes(recorded.template),
        "correlation": np.asarray(modes.correlation_matrix(histories), np.float16),
        "sample_labels": labels,
        "reference_history": decomposition.reference_history,
        "reference_names": _names(decomposition.references, recorded),
        "counts": decomposition.counts,
        "r_squared": decomposition.r_squared,
        "shown_history": histories[:, shown],
        "shown_fit": references * slope[shown] + intercept[shown],
        "shown_labels": labels[shown],
        "shown_names": np.array(
            [f"{names[n]}[{i}]" for n, i in zip(leaf, offset, strict=True)]
        ),
    }


def _at(tree: Any, coordinates: np.ndarray) -> np.ndarray:
    """The scalars of a pytree at flat coordinates."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])[coordinates]


def _names(coordinates: np.ndarray, recorded: StoredTrajectory) -> np.ndarray:
    leaf, offset = trees.locate(coordinates, trees.leaf_sizes(recorded.template))
    names = trees.leaf_names(recorded.template)
    return np.array([f"{names[n]}[{i}]" for n, i in zip(leaf, offset, strict=True)])
