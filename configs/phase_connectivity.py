"""The critical mini-batch size against the connectivity d = 3, 5, 7, 9 at N = 200.

Paper: Marino and Ricci-Tersenghi (arXiv 2305.06435): m_c grows roughly linearly with
the connectivity. The model is a reconstruction, both layers are learned, ties are
accepted; the paper's own numbers were not available.
Command: python experiments/run.py --config phase_connectivity
Hardware: 2 CPU cores under other load, 21 minutes.
Expected, measured by a sequential program with the same rules: the threshold lies
between 12 and 13, 18 and 20, 32 and 36, 56 and 60.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.phase_diagram(
        batch_sizes=(8, 10, 11, 12, 13, 14, 16),
        num_seeds=16,
        num_sweeps=1000,
    )
    config.model = ConfigDict(
        {
            "name": "sparse_discrete",
            "num_units": 200,
            "degree": 3,
            "learn_second": True,
        }
    )
    if options["smoke"]:
        configs.shrink_diagram(config)
    return config


def sweep() -> list[dict[str, Any]]:
    """The connectivities, each with mini-batch sizes around its threshold."""
    sizes = {
        3: (8, 10, 11, 12, 13, 14, 16),
        5: (14, 16, 17, 18, 19, 20, 22),
        7: (26, 28, 30, 32, 34, 36, 40),
        9: (48, 52, 54, 56, 58, 60, 64),
    }
    return [
        {"model.degree": degree, "phase_transition.batch_sizes": batch_sizes}
        for degree, batch_sizes in sizes.items()
    ]
