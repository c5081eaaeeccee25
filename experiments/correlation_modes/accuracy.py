"""Test accuracy and loss along a run: of records, reconstructions and estimators.

All are tested at the same records, and with statistics of BatchNorm that are gathered
in the same way: re-estimated where a network has running ones.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Int, Int64
from ml_collections import ConfigDict

from cmd_jax import host, modes, processes, runs
from cmd_jax.train import MetricsFile
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.types import Array, Params
from experiments.configured import embedding, recording
from experiments.configured.programs import make_reestimate
from experiments.configured.setup import Setup
from experiments.process import progress
from experiments.training.group import Trained

Curves = dict[str, dict[str, np.ndarray]]
"""By metric, "accuracy" and "loss", and by method: a number for each tested record."""

_MAX_TESTED = 50  # records, evenly spaced among those where the run was evaluated


def tested_records(
    setup: Setup, steps: Int64[np.ndarray, " records"]
) -> Int[np.ndarray, " tested"]:
    """The records to test: where the run was evaluated, the last always among them."""
    every = setup.config.eval.every_epochs * setup.steps_per_epoch
    (evaluated,) = np.nonzero((steps % every == 0) | (steps == setup.num_steps))
    count = min(len(evaluated), _MAX_TESTED)
    return evaluated[np.linspace(0, len(evaluated) - 1, count).round().astype(int)]


def network(config: ConfigDict) -> str:
    """What the trained network itself is called among the methods."""
    return "embedded" if embedding.is_asked_for(config) else "sgd"


def curves(
    setup: Setup,
    recorded: StoredTrajectory,
    decomposition: modes.Decomposition,
    trained: Trained,
    directory: runs.SeedDirectory,
) -> Curves:
    """The tests at `tested_records`; the first method is the network itself.

    NaN where an estimator had not begun; the losses of estimators are those that the
    run has logged. Nothing where only a part of the weights was recorded: such a record
    is no network.
    """
    if not recording.whole_network(setup.config.record):
        return {"accuracy": {}, "loss": {}}
    records = tested_records(setup, recorded.steps)
    every = setup.config.eval.every_epochs * setup.steps_per_epoch
    evaluations = -(-recorded.steps[records] // every) - 1
    sources = {
        network(setup.config): lambda record: recorded[record],
        "cmd": lambda record: modes.reconstruct(decomposition, record=record),
    }
    found = test(setup, trained, sources, records)
    rows = processes.from_primary(lambda: MetricsFile(directory.metrics).read())
    tested = [row for row in rows if row["step"] and "test/loss" in row]
    for name, accuracy in trained.accuracy.items():
        losses = np.array([row.get(f"{name}/test/loss", np.nan) for row in tested])
        found["accuracy"][name] = accuracy[evaluations]
        found["loss"][name] = losses[evaluations]
    return found


def test(
    setup: Setup,
    trained: Trained,
    sources: Mapping[str, Callable[[int], Params]],
    records: Int[np.ndarray, " tested"],
) -> Curves:
    """The tests of what each source gives for some records."""
    evaluate, reestimate = setup.evaluations["test"], make_reestimate(setup)

    def score(params: Params) -> dict[str, Array]:
        return evaluate(params, reestimate(params, trained.state.state))

    rows: list[dict[str, dict[str, float]]] = []
    with progress.task("testing", len(records)) as advance:
        for done, record in enumerate(records, 1):
            tested = host.fetch(
                {name: score(source(int(record))) for name, source in sources.items()}
            )
            rows.append(tested)
            advance(done, "")
    return {
        metric: {
            name: np.array([float(row[name][metric]) for row in rows])
            for name in sources
        }
        for metric in ("accuracy", "loss")
    }
