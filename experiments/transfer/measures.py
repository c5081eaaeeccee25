"""What a pair's transfers are tested for: accuracy by step, barriers, distances.

Networks whose weights training did not end with are tested with running statistics
gathered anew.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Float

from cmd_jax import host, train, transfer
from cmd_jax.trajectory import (
    StoredTrajectory,
    accuracy_barrier,
    line_metrics,
)
from cmd_jax.types import Array, Params, PyTree
from experiments.configured.programs import make_reestimate, statistics_used
from experiments.configured.setup import Setup
from experiments.process import progress

NUM_POINTS = 11  # on a line between two networks
_MATCHED = ("gmt", "fgmt")

Test = Callable[[Params], dict[str, Array]]
"""Accuracies of a network on validation and test."""


def measure_pair(
    setup: Setup,
    source: StoredTrajectory,
    target: StoredTrajectory,
    transfers: Mapping[str, transfer.Transfer],
    scratch: train.TrainState,
    state: PyTree,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The results and arrays of one pair.

    A transfer's accuracy is that at the step which validation chooses.

    Args:
      setup: from `prepare`.
      source: the source's records.
      target: those of the trained target.
      transfers: by method.
      scratch: the target trained at the cost of a transfer.
      state: beside the parameters, the running statistics of which are gathered anew.
    """
    test = _tester(setup, state)
    curves = _curves(test, transfers)
    singles = {"source": source[-1], "trained": target[-1], "scratch": scratch.params}
    alone = {name: host.fetch(test(params)) for name, params in singles.items()}
    along = _lines(test, source, target, transfers)
    best = {m: int(curve["validation"].argmax()) for m, curve in curves.items()}
    results = {
        "accuracy": {
            **{m: float(curves[m]["test"][t]) for m, t in best.items()},
            **{name: float(found["test"]) for name, found in alone.items()},
        },
        "measures": add_measures(
            {},
            last_accuracy={m: float(c["test"][-1]) for m, c in curves.items()},
            validation_accuracy={
                m: float(curves[m]["validation"][t]) for m, t in best.items()
            },
            best_step={m: float(t) for m, t in best.items()},
            barrier={name: float(accuracy_barrier(v)) for name, v in along.items()},
            displacement_ratio={"source": displacement_ratio(source)},
        ),
        **_how_matched(transfers),
        "statistics": statistics_used(setup),
    }
    arrays = {
        "record_epochs": source.steps[1:] / setup.steps_per_epoch,
        **_cosines(source, target, transfers),
        **{f"test_{m}": curves[m]["test"] for m in transfers},
        **{f"validation_{m}": curves[m]["validation"] for m in transfers},
        **{f"line_{name}": values for name, values in along.items()},
        **_objectives(transfers),
    }
    return results, arrays


def add_measures(
    measures: dict[str, dict[str, float]], **metrics: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """The measures by method and metric, with metrics that are given by method."""
    for metric, values in metrics.items():
        for method, value in values.items():
            measures.setdefault(method, {})[metric] = value
    return measures


def _how_matched(transfers: Mapping[str, transfer.Transfer]) -> dict[str, Any]:
    found = {m: transfers[m].matchings for m in _MATCHED}
    return {
        "converged": {m: all(one.converged for one in found[m]) for m in _MATCHED},
        "num_sweeps": {m: [one.num_sweeps for one in found[m]] for m in _MATCHED},
        "groups": str(transfers["naive"].groups),
        "left_out": list(transfers["naive"].left_out),
    }


def _objectives(
    transfers: Mapping[str, transfer.Transfer],
) -> dict[str, Float[np.ndarray, " sweeps"]]:
    """The objective by sweep at every step."""
    return {
        f"objective_{method}_{step}": matching.objective
        for method in _MATCHED
        for step, matching in enumerate(transfers[method].matchings, 1)
    }


def _tester(setup: Setup, state: PyTree) -> Test:
    reestimate = make_reestimate(setup)
    state = jax.device_put(state)

    def test(params: Params) -> dict[str, Array]:
        gathered = reestimate(params, state)
        return {
            split: evaluate(params, gathered)["accuracy"]
            for split, evaluate in setup.evaluations.items()
        }

    return test


def _curves(
    test: Test, transfers: Mapping[str, transfer.Transfer]
) -> dict[str, dict[str, np.ndarray]]:
    """Accuracies on each split at the steps 0, …, T, by method."""
    total = sum(found.num_steps + 1 for found in transfers.values())
    curves, done = {}, 0
    with progress.task("testing", total) as advance:
        for method, found in transfers.items():
            tested = []
            for step in range(found.num_steps + 1):
                tested.append(host.fetch(test(found.params(step))))
                done += 1
                advance(done, method)
            curves[method] = jax.tree.map(lambda *values: np.array(values), *tested)
    return curves


def _lines(
    test: Test,
    source: StoredTrajectory,
    target: StoredTrajectory,
    transfers: Mapping[str, transfer.Transfer],
) -> dict[str, Float[np.ndarray, " points"]]:
    """Test accuracy on the lines from networks to the trained target."""
    trained, shares = target[-1], np.linspace(0, 1, NUM_POINTS)
    ends = {m: found.params(found.num_steps) for m, found in transfers.items()}
    ends |= {"source": source[-1], "rebasined": rebasined(transfers, source, target)}
    found = {}
    with progress.task("interpolating", len(ends)) as advance:
        for done, (name, params) in enumerate(ends.items(), 1):
            found[name] = line_metrics(test, params, trained, shares)["test"]
            advance(done, name)
    return found


def _cosines(
    source: StoredTrajectory,
    target: StoredTrajectory,
    transfers: Mapping[str, transfer.Transfer],
) -> dict[str, Float[np.ndarray, " steps"]]:
    """How alike both trainings move, record by record; nothing of the ends alone."""
    if len(source) < 3:
        return {}
    return {
        f"cosine_{method}": transfer.displacement_cosines(
            source, target, transfers[method].groups, transfers[method].permutations[-1]
        )
        for method in ("naive", "oracle")
    }


def rebasined(
    transfers: Mapping[str, transfer.Transfer],
    source: StoredTrajectory,
    target: StoredTrajectory,
) -> Params:
    """The trained source, permuted as close as can be to the trained target."""
    groups = transfers["naive"].groups
    matching = transfer.weight_matching(groups, source[-1], target[-1])
    return _permute(groups, matching.permutation, source[-1])


_permute = jax.jit(transfer.permute, static_argnums=0)


def displacement_ratio(source: StoredTrajectory) -> float:
    """How far training moved the source, as a share of its initial size: |Δ| / |θ^0|.

    Naive transfer depends on it: where it is large, the initialisation hardly matters.
    """
    return float(_relative_distance(source[0], source[-1]))


@jax.jit
def _relative_distance(start: Params, end: Params) -> Array:
    moved = optax.tree.sub(end, start)
    return optax.tree.norm(moved) / optax.tree.norm(start)
