"""P-BFGS beside Online CMD: ViT-B/16 on CIFAR-10.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model (arXiv
2312.13247), Table 1: P-BFGS (equal), with the records of 20 epochs, 95.05 +- 0.69 %
test accuracy; P-BFGS (long) is not in the table. The method is that of Li et al., Low
Dimensional Trajectory Hypothesis is True (TPAMI 2022).
Command: python experiments/run.py --config vit_b16_subspace:remat
  --config.branch.weights=vit_b_16.safetensors --training_of RUN
RUN is a finished run of `vit_b16:remat`, as batches of 1024 images take much memory;
without it the network is trained first.
Hardware: a GPU. Not run in full.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `vit_b16` with its argument, and the block `subspace`."""
    row = pathlib.Path(__file__).with_name("vit_b16.py")
    return configs.table_1_subspaces(row, argument, p_bfgs_equal="95.05 ± 0.69")
