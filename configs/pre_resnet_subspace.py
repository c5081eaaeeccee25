"""P-BFGS beside Online CMD: PreRes164 on CIFAR-10.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model (arXiv
2312.13247), Table 1: P-BFGS (equal), with the records of 20 epochs, 90.76 +- 1.14,
P-BFGS (long), with those of 80, 90.91 +- 0.77 % test accuracy. The method is that of Li
et al., Low Dimensional Trajectory Hypothesis is True (TPAMI 2022).
Command: python experiments/run.py --config pre_resnet_subspace --training_of RUN
RUN is a finished run of `pre_resnet`; without it the network is trained first.
Hardware: a GPU. Not run in full.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `pre_resnet` with its argument, and the block `subspace`."""
    row = pathlib.Path(__file__).with_name("pre_resnet.py")
    return configs.table_1_subspaces(
        row, argument, p_bfgs_long="90.91 ± 0.77", p_bfgs_equal="90.76 ± 1.14"
    )
