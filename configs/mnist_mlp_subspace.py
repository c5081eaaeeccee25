"""P-SGD and P-BFGS beside Online CMD: an MLP on MNIST, five seeds.

Paper: none for this network. The methods are those of Li et al., Low Dimensional
Trajectory Hypothesis is True (TPAMI 2022), as in Table 1 of Brokman et al. (arXiv
2312.13247): P-BFGS (equal) has the records of 20 epochs, P-BFGS (long) and P-SGD have
those of 40, as the papers' 80 are more than this run has. P-SGD has the learning rate
of the run, .05, as in `digits_subspace`.
Command: python experiments/run.py --config mnist_mlp_subspace
Hardware: one CPU core, 26 minutes (scripts/prepare_data mnist first).
Found, five seeds: SGD 98.06 +- .03, P-SGD 98.03 +- .03, P-BFGS (equal) 97.89 +- .03,
P-BFGS (long) 97.80 +- .06, Online CMD 98.02 +- .06 %.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `mnist_mlp` with its argument, longer, and the block `subspace`."""
    config = configs.load(pathlib.Path(__file__).with_name("mnist_mlp.py"), argument)
    is_smoke = config.train.total_epochs < 30
    config.train.total_epochs = 4 if is_smoke else 60
    config.train.num_seeds = 1 if is_smoke else 5
    config.subspace = configs.subspace(
        long_records=3 if is_smoke else 40,
        batch_size=256 if is_smoke else 1024,
        learning_rate=config.optimizer.learning_rate,
    )
    if is_smoke:
        config.subspace.equal_records = 2
    return config
