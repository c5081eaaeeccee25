"""Greedy learning of sparse sign networks: error and P0 against the mini-batch size.

Paper: Marino and Ricci-Tersenghi (arXiv 2305.06435): below m_c training fails, above it
the student learns its teacher. The model is a reconstruction, both layers are learned,
ties are accepted; the paper's own numbers were not available.
Command: python experiments/run.py --config phase_sparse
Hardware: 2 CPU cores that other work shared, 14 minutes.
Expected, measured by a sequential program with the same rules: at d = 3 and N = 400
errors .420, .346, .192, .044, .009, 0, 0 for m = 4, 6, ..., 16; at d = 5 and m = 18
.36 from random weights and .017 from the teacher.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.phase_diagram(
        batch_sizes=(4, 6, 8, 10, 12, 14, 16),
        num_seeds=16,
        num_sweeps=2000,
        stationary=True,  # go on after the first passage
    )
    config.model = ConfigDict(
        {
            "name": "sparse_discrete",
            "num_units": 100,
            "degree": 3,
            "start": "random",  # or "teacher", for hysteresis
            "strict": False,  # accept flips that change nothing
            "learn_second": True,
        }
    )
    if options["smoke"]:
        configs.shrink_diagram(config)
    return config


def sweep() -> list[dict[str, Any]]:
    """Connectivities 3 and 5, N = 100 and 400; also from the teacher at N = 400."""
    sizes = {3: (4, 6, 8, 10, 12, 14, 16), 5: (8, 12, 14, 16, 18, 20, 24)}
    return [
        {
            "model.degree": degree,
            "model.num_units": num_units,
            "model.start": start,
            "phase_transition.batch_sizes": sizes[degree],
        }
        for degree in sizes
        for num_units, start in ((100, "random"), (400, "random"), (400, "teacher"))
    ]
