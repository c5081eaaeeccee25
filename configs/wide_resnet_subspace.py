"""P-BFGS beside Online CMD: WideResNet-28-10 on CIFAR-10.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model (arXiv
2312.13247), Table 1: P-BFGS (equal), with the records of 20 epochs, 88.65 +- 0.77,
P-BFGS (long), with those of 80, 92.78 +- 0.25 % test accuracy. The method is that of Li
et al., Low Dimensional Trajectory Hypothesis is True (TPAMI 2022).
Command: python experiments/run.py --config wide_resnet_subspace --training_of RUN
RUN is a finished run of `wide_resnet`; without it the network is trained first.
Hardware: a GPU. Not run in full.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `wide_resnet` with its argument, and the block `subspace`."""
    row = pathlib.Path(__file__).with_name("wide_resnet.py")
    return configs.table_1_subspaces(
        row, argument, p_bfgs_long="92.78 ± 0.25", p_bfgs_equal="88.65 ± 0.77"
    )
