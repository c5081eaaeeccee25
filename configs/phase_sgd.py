"""SGD of sparse and dense tanh networks: from which mini-batch size on they learn.

Paper: Marino and Ricci-Tersenghi (arXiv 2305.06435): students with real weights,
learned by SGD. The models are a reconstruction (teacher ±1/√d, tanh, linear outputs,
mean squared error); the paper's own numbers were not available.
Command: python experiments/run.py --config phase_sgd
Hardware: 2 CPU cores, about five minutes of their time.
Expected: learns from m = 2, 4, 9, 4, 7 on (sparse), 6 and 12 (dense N = 30 and 60);
m_c of one linear unit, η (d - 1) / (2 - η), is 1.14, 2.67, 8, 4, 4.67, 4.14, 8.43.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.phase_diagram(
        batch_sizes=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        num_seeds=4,
        num_sweeps=3000,  # steps of SGD
        test_every=100,
    )
    config.model = ConfigDict(
        {
            "name": "sparse_continuous",  # or "dense_continuous"
            "num_units": 60,
            "degree": 9,
            "learning_rate": 0.25,
            "activation": "tanh",  # or "relu", which stays on a plateau
            "start": "random",  # or "teacher"
        }
    )
    if options["smoke"]:
        configs.shrink_diagram(config)
        config.model.num_units = 12
        config.phase_transition.batch_sizes = (4, 32)
        config.phase_transition.num_sweeps = 40
    return config


def sweep() -> list[dict[str, Any]]:
    """The connectivity and the learning rate of sparse students, the size of dense."""
    sparse = [(9, 0.25), (9, 0.5), (9, 1.0), (5, 1.0), (15, 0.5)]
    dense = {
        "model.name": "dense_continuous",
        "model.degree": 3,
        "phase_transition.batch_sizes": (3, 4, 6, 8, 12, 16),
        "phase_transition.num_sweeps": 12000,
        "phase_transition.test_every": 500,
    }
    return [
        *(
            {"model.num_units": 60, "model.degree": d, "model.learning_rate": rate}
            for d, rate in sparse
        ),
        *(dense | {"model.num_units": number} for number in (30, 60)),
    ]
