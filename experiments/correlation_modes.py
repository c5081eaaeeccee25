"""The study of post-hoc CMD: train, record, decompose, reconstruct, report (P2, eq. 2).

Every seed's trajectory is decomposed without its initialisation, the random-walk null
is measured beside it, and the reconstructed networks are tested like the recorded ones:
both with running statistics re-estimated, where a network has any, for a record holds
the weights only.
"""

from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cmd_jax import host, modes, processes, rng, runs, train, trees
from cmd_jax.trajectory import StoredTrajectory, Trajectory
from cmd_jax.types import Array, Params
from experiments import estimate, modes_analysis, modes_page, progress, training
from experiments.checks import about, check_memory
from experiments.setup import (
    Options,
    Setup,
    make_reestimate,
    num_recorded,
    prepare,
    records_whole_network,
    statistics_used,
)

_FIELDS = {"num_modes": 10, "num_samples": 1000, "method": "", "num_restarts": 1}
_MAX_EVALUATED = 50  # records whose reconstruction is tested, evenly spaced
_NUM_SHOWN = 6  # weights whose fit is drawn, spread over the sampled ones
_MAX_MATRIX = 1000  # sampled weights in the picture of the correlation matrix


def run(name: str, config: ConfigDict, options: Options) -> None:
    """Runs the study for the seeds of `config`."""
    with processes.together():
        setup = prepare(config, options.data_directory, {"modes": _FIELDS})
        with about("config.modes, and config.record of what config.model has"):
            modes.check_sizes(
                num_records=len(setup.schedule) - 1,
                num_weights=num_recorded(setup),
                **config.modes,
            )
        # The correlation matrix and the dissimilarities.
        check_memory("config.modes.num_samples", 2 * 4 * config.modes.num_samples**2)
    if options.dry_run:
        directory = training.run_directory(setup, name, options)
        estimate.describe(setup, name, directory)
        return
    training.run_seeds(
        setup, name, options, finish=_finish_seed, report=modes_page.write
    )


def _finish_seed(
    setup: Setup, directory: runs.SeedDirectory, seed: int, state: train.TrainState
) -> None:
    progress.say(f"seed {seed}: decomposing {directory.trajectory}")
    recorded = Trajectory.open(directory.trajectory, like=setup.template.params)[1:]
    key = rng.stream(jax.random.key(seed), "modes")
    decomposition = modes.decompose(
        recorded, **setup.config.modes, mesh=setup.mesh, key=key
    )
    null = modes.random_walk_null(recorded, **setup.config.modes, key=key)
    epochs = recorded.steps / setup.steps_per_epoch
    curves = _accuracy_curves(setup, recorded, decomposition, state)
    results = {
        "accuracy": {name: float(values[-1]) for name, values in curves.items()},
        "statistics": statistics_used(setup),
        "correlation": decomposition.mean_correlation,
        "r_squared": decomposition.mean_r_squared,
        "null_correlation": null.correlation,
        "null_r_squared": null.r_squared,
        "num_modes": len(decomposition.references),
        "num_records": len(recorded),
        "num_constant": decomposition.num_constant,
        "carried": list(decomposition.carried),
    }
    arrays = {
        "epochs": epochs,
        "evaluated_epochs": epochs[_evaluated(len(recorded))],
        **{f"accuracy_{name}": values for name, values in curves.items()},
        **_figure_arrays(recorded, decomposition),
        **modes_analysis.analyse(setup, recorded, decomposition, state, key=key),
    }
    with processes.together():
        if processes.is_primary():
            directory.finish(results, arrays)


def _evaluated(num_records: int) -> np.ndarray:
    """The records to test: at most 50, the last always among them."""
    count = min(num_records, _MAX_EVALUATED)
    return np.linspace(0, num_records - 1, count).round().astype(int)


def _accuracy_curves(
    setup: Setup,
    recorded: StoredTrajectory,
    decomposition: modes.Decomposition,
    state: train.TrainState,
) -> dict[str, np.ndarray]:
    """Test accuracy of the recorded and of the reconstructed networks.

    Nothing where only a part of the weights was recorded: such a record is no network.
    """
    if not records_whole_network(setup):
        return {}
    evaluate, reestimate = setup.evaluations["test"], make_reestimate(setup)

    def test(params: Params) -> Array:
        return evaluate(params, reestimate(params, state.state))["accuracy"]

    sources = {
        "sgd": lambda record: recorded[record],
        "cmd": lambda record: modes.reconstruct(decomposition, record=record),
    }
    indices = _evaluated(len(recorded))
    curves: dict[str, list[float]] = {name: [] for name in sources}
    with progress.task("testing", len(indices)) as advance:
        for done, record in enumerate(indices, 1):
            tested = host.fetch(
                {name: test(source(int(record))) for name, source in sources.items()}
            )
            for name, accuracy in tested.items():
                curves[name].append(float(accuracy))
            advance(done, "")
    return {name: np.array(values) for name, values in curves.items()}


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
