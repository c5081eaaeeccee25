"""P-BFGS beside Online CMD: LeNet-5 on CIFAR-10.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: P-BFGS (equal), with the records of 20 epochs, 74.67 +-
0.35, P-BFGS (long), with those of 80, 76.44 +- 0.37 % test accuracy. The method is that
of Li et al., Low Dimensional Trajectory Hypothesis is True (TPAMI 2022).
Command: python experiments/run.py --config lenet5_subspace --training_of RUN
RUN is a finished run of `lenet5`; without it the network is trained first.
Hardware: one CPU core, a seed: 55 minutes of P-BFGS (long) and 95 of (equal), beside 70
of a training that is made here (scripts/prepare_data cifar10 first).
Found, one seed: P-BFGS (equal) 75.34, (long) 77.58; Adam 75.49, Online CMD 76.35 %.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `lenet5` with its argument, and the block `subspace`."""
    row = pathlib.Path(__file__).with_name("lenet5.py")
    return configs.table_1_subspaces(
        row, argument, p_bfgs_long="76.44 ± 0.37", p_bfgs_equal="74.67 ± 0.35"
    )
