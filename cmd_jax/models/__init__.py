"""Networks as pure functions, written in Flax Linen: MLPs, LeNet-5, Conv8, ResNet18."""

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.conv8 import Conv8
from cmd_jax.models.families import create
from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.lenet import LeNet5, max_pool
from cmd_jax.models.mlp import MLP
from cmd_jax.models.network import Network, from_linen
from cmd_jax.models.resnet import ResNet18

__all__ = [
    "MLP",
    "BatchNorm",
    "Conv8",
    "LeNet5",
    "Network",
    "ResNet18",
    "create",
    "fan_in_uniform",
    "from_linen",
    "max_pool",
]
