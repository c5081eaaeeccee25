"""Networks as pure functions, written in Flax Linen: dense, convolutional, residual."""

from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.conv8 import Conv8
from cmd_jax.models.families import create
from cmd_jax.models.googlenet import GoogLeNet
from cmd_jax.models.initializers import fan_in_uniform
from cmd_jax.models.lenet import LeNet5
from cmd_jax.models.mlp import MLP
from cmd_jax.models.network import Network, from_linen
from cmd_jax.models.one_rep import OneRep
from cmd_jax.models.passages import Passage, advance, enter
from cmd_jax.models.point_resnet import PointResNet
from cmd_jax.models.pooling import max_pool
from cmd_jax.models.pre_resnet import PreResNet
from cmd_jax.models.resnet import ResNet18
from cmd_jax.models.resnet110 import ResNet110
from cmd_jax.models.resnext50 import ResNeXt50
from cmd_jax.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "BatchNorm",
    "Conv8",
    "GoogLeNet",
    "LeNet5",
    "Network",
    "OneRep",
    "Passage",
    "PointResNet",
    "PreResNet",
    "ResNeXt50",
    "ResNet18",
    "ResNet110",
    "WideResNet",
    "advance",
    "create",
    "enter",
    "fan_in_uniform",
    "from_linen",
    "max_pool",
]
