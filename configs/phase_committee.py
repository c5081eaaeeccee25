"""Committees of sign units: the critical mini-batch size against their number H.

Paper: Marino and Ricci-Tersenghi (arXiv 2305.06435): in some settings m_c grows in
proportion to N. The model is a reconstruction: the second layer is given, all its
weights are +1, ties are accepted; the paper's own numbers were not available.
Command: python experiments/run.py --config phase_committee
Hardware: 2 CPU cores that other work shared, 11 minutes.
Expected, measured by a sequential program with the same rules: trees of d = 3 with
H = 15, 33 and 65 units from 60 to 90, at 264 (P0 = 1/2), from 520 to 780; the random
graph with N = 51 from 612 to 816. The transition is discontinuous.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.phase_diagram(
        batch_sizes=(45, 60, 75, 90, 105),
        num_seeds=8,
        num_sweeps=2000,
    )
    config.model = ConfigDict(
        {
            "name": "committee_discrete",
            "num_hidden": 15,
            "degree": 3,
            "graph": "tree",  # N = H d; or "regular", N = H
        }
    )
    if options["smoke"]:
        configs.shrink_diagram(config)
    return config


def sweep() -> list[dict[str, Any]]:
    """Trees of three sizes, and a random graph."""
    runs = (
        ("tree", 15, (45, 60, 75, 90, 105)),
        ("tree", 33, (198, 231, 264, 297, 330)),
        ("tree", 65, (455, 520, 585, 650, 780)),
        ("regular", 51, (510, 612, 714, 816)),
    )
    return [
        {
            "model.graph": graph,
            "model.num_hidden": num_hidden,
            "phase_transition.batch_sizes": batch_sizes,
        }
        for graph, num_hidden, batch_sizes in runs
    ]
