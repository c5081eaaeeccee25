"""Networks as pure functions, written in Flax Linen: MLPs and LeNet-5."""

from cmd_jax.models.families import create
from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.lenet import LeNet5, max_pool
from cmd_jax.models.mlp import MLP
from cmd_jax.models.network import Network, from_linen

__all__ = [
    "MLP",
    "LeNet5",
    "Network",
    "create",
    "fan_in_uniform",
    "from_linen",
    "max_pool",
]
