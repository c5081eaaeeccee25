"""Networks as pure functions in Flax Linen: dense, convolutional, transformers."""

from cmd_jax.models.autoencoder import AutoEncoder
from cmd_jax.models.batch_norm import BatchNorm
from cmd_jax.models.conv8 import Conv8
from cmd_jax.models.decoder import Decoder
from cmd_jax.models.ensembles import ensemble
from cmd_jax.models.families import OF_TOKENS, create
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
from cmd_jax.models.pretrained_vit import Pretrained, read_vit
from cmd_jax.models.resnet import ResNet18
from cmd_jax.models.resnet110 import ResNet110
from cmd_jax.models.resnext50 import ResNeXt50
from cmd_jax.models.vit import ViT
from cmd_jax.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "OF_TOKENS",
    "AutoEncoder",
    "BatchNorm",
    "Conv8",
    "Decoder",
    "GoogLeNet",
    "LeNet5",
    "Network",
    "OneRep",
    "Passage",
    "PointResNet",
    "PreResNet",
    "Pretrained",
    "ResNeXt50",
    "ResNet18",
    "ResNet110",
    "ViT",
    "WideResNet",
    "advance",
    "create",
    "ensemble",
    "enter",
    "fan_in_uniform",
    "from_linen",
    "max_pool",
    "read_vit",
]
