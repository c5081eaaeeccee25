"""The page of post-hoc CMD: what a seed hands over, and the sections over all seeds."""

from typing import Any

import numpy as np

from cmd_jax import files, modes, report, runs, trees
from cmd_jax.modes import figures
from cmd_jax.trajectory import StoredTrajectory

Results = list[dict[str, Any]]
Arrays = list[dict[str, np.ndarray]]
_METHODS = {"sgd": "SGD", "cmd": "post-hoc CMD"}


def arrays(
    recorded: StoredTrajectory, decomposition: modes.Decomposition, *, num_shown: int
) -> dict[str, np.ndarray]:
    """What the page's figures need of one seed.

    Args:
      recorded: the records that were decomposed.
      decomposition: their modes.
      num_shown: weights whose fit is drawn, spread over the sampled ones.
    """
    sampled = modes.gather(recorded, decomposition.samples)
    labels = modes.gather_labels(decomposition, decomposition.samples)
    chosen = np.linspace(0, len(labels) - 1, num_shown).round().astype(int)
    return {
        "leaf_names": np.array(trees.leaf_names(recorded.template)),
        "correlation": np.asarray(modes.correlation_matrix(sampled), np.float16),
        "sample_labels": labels,
        "references": decomposition.references,
        "reference_history": decomposition.reference_history,
        "counts": decomposition.counts,
        "r_squared": decomposition.r_squared,
        "shown_history": sampled[:, chosen],
        "shown_coordinates": decomposition.samples[chosen],
        "shown_labels": labels[chosen],
    }
