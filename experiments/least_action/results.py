"""What a seed of LAP's study hands over: accuracies, numbers, arrays for figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cmd_jax import files, runs, train
from cmd_jax.least_action import FlowMeasures, assignment_gap

Arrays = dict[str, np.ndarray]


def collect(
    directory: runs.SeedDirectory,
    measures: FlowMeasures,
    clouds: Sequence[np.ndarray],
    labels: np.ndarray,
    multiplier: float | None,
    statistics: str,
) -> tuple[dict[str, Any], Arrays]:
    """The results and the arrays of a trained seed.

    Args:
      directory: of the seed, with its metrics.
      measures: of the trained network, on the test set.
      clouds: of each stage, test examples before and after each block.
      labels: their classes.
      multiplier: λ at the end, if there is one.
      statistics: what BatchNorm used, in words.
    """
    curves = _curves(directory)
    best = _best(curves)
    gaps = [assignment_gap(cloud[0], cloud[-1]) for cloud in clouds]
    results = {
        "accuracy": _accuracies(curves),
        "best_epoch": None if best is None else float(curves["tested_epochs"][best]),
        "measures": {"last": _numbers(measures, gaps, multiplier)},
        "statistics": statistics,
    }
    if directory.autoencoder.exists():
        results["reconstruction_error"] = files.read_json(directory.autoencoder)
    arrays = {
        **curves,
        **measures._asdict(),
        "assignment_gap": np.array(gaps),
        **_points(clouds, labels),
    }
    return results, arrays


def _curves(directory: runs.SeedDirectory) -> Arrays:
    """The metrics by epoch: of the evaluations, and of training between two rows."""
    rows = train.MetricsFile(directory.metrics).read()
    found = {}
    for part, marker in (("tested", "test/accuracy"), ("trained", "train/loss")):
        chosen = [row for row in rows if marker in row]
        names = [name for name in chosen[-1] if name not in ("step", "epoch")]
        kept = [n for n in names if n.startswith("train/") == (part == "trained")]
        found[f"{part}_epochs"] = np.array([row["epoch"] for row in chosen])
        for name in kept:
            found[name] = np.array([row[name] for row in chosen])
    return found


def _accuracies(curves: Arrays) -> dict[str, float]:
    """Test accuracy at the end, and where the validation split says to stop."""
    test, best = curves["test/accuracy"], _best(curves)
    accuracy = {"last": float(test[-1])}
    return accuracy if best is None else accuracy | {"best": float(test[best])}


def _best(curves: Arrays) -> int | None:
    """The evaluation of highest validation accuracy; of several, of lowest loss."""
    if "validation/accuracy" not in curves:
        return None
    order = np.lexsort((curves["validation/loss"], -curves["validation/accuracy"]))
    return int(order[0])


def _numbers(
    measures: FlowMeasures, gaps: Sequence[float], multiplier: float | None
) -> dict[str, float]:
    """One number a measure: a sum over blocks or stages, or a mean over stages."""
    numbers = {
        "kinetic_energy": measures.kinetic_energy,
        "path_length": float(measures.path_length.sum()),
        "geodesic_index": float(measures.geodesic_index.mean()),
    }
    if gaps:
        numbers["assignment_gap"] = float(np.mean(gaps))
    if multiplier is not None:
        numbers["multiplier"] = multiplier
    return numbers


def _points(clouds: Sequence[np.ndarray], labels: np.ndarray) -> Arrays:
    """The clouds where they can be drawn: a flow in the plane."""
    if len(clouds) != 1 or clouds[0].shape[-1] != 2:
        return {}
    return {"cloud": clouds[0], "cloud_labels": labels}
