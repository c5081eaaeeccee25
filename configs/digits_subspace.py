"""P-SGD and P-BFGS beside Online CMD: an MLP on digits, five seeds.

Paper: none for these data. The methods are those of Li et al., Low Dimensional
Trajectory Hypothesis is True (TPAMI 2022), as in Table 1 of Brokman et al. (arXiv
2312.13247): P-BFGS (equal) has the records of 20 epochs, P-BFGS (long) and P-SGD have
those of 40, as the papers' 80 are more than this run has.
P-SGD has the learning rate of the run, .05: with DLDR's 1 it does not train here (the
loss of two seeds of five was no number after a few steps, three ended near 60 %).
Command: python experiments/run.py --config digits_subspace
Hardware: 2 CPU cores, a minute and a half.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `digits` with its argument and the block `subspace`."""
    config = configs.load(pathlib.Path(__file__).with_name("digits.py"), argument)
    is_smoke = config.train.total_epochs < 60
    config.train.num_seeds = 1 if is_smoke else 5
    config.subspace = configs.subspace(
        long_records=3 if is_smoke else 40,
        batch_size=256,
        learning_rate=config.optimizer.learning_rate,
    )
    if is_smoke:
        config.subspace.equal_records = 2
    return config
