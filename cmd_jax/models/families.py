"""The networks by name, as configurations ask for them."""

import dataclasses
from typing import Any

from cmd_jax.models.conv8 import Conv8
from cmd_jax.models.decoder import Decoder
from cmd_jax.models.googlenet import GoogLeNet
from cmd_jax.models.lenet import LeNet5
from cmd_jax.models.mlp import MLP
from cmd_jax.models.network import Network, from_linen
from cmd_jax.models.one_rep import OneRep
from cmd_jax.models.point_resnet import PointResNet
from cmd_jax.models.pre_resnet import PreResNet
from cmd_jax.models.resnet import ResNet18
from cmd_jax.models.resnet110 import ResNet110
from cmd_jax.models.resnext50 import ResNeXt50
from cmd_jax.models.vit import ViT
from cmd_jax.models.wide_resnet import WideResNet
from cmd_jax.spelling import did_you_mean

OF_TOKENS = ("decoder",)
"""Networks whose inputs are texts; all others take images."""

_DENSE = {"decoder": Decoder, "mlp": MLP, "point_resnet": PointResNet, "vit": ViT}
_CONVOLUTIONAL = {
    "conv8": Conv8,
    "googlenet": GoogLeNet,
    "lenet5": LeNet5,
    "one_rep": OneRep,
    "pre_resnet": PreResNet,
    "resnet18": ResNet18,
    "resnet110": ResNet110,
    "resnext50": ResNeXt50,
    "wide_resnet": WideResNet,
}
_FAMILIES = {**_DENSE, **_CONVOLUTIONAL}


def create(name: str, *, num_classes: int, **options: Any) -> Network:
    """The network `name`, with options of its family.

    Args:
      name: `"conv8"`, `"decoder"`, `"googlenet"`, `"lenet5"`, `"mlp"`, `"one_rep"`,
        `"point_resnet"`, `"pre_resnet"`, `"resnet18"`, `"resnet110"`, `"resnext50"`,
        `"vit"` or `"wide_resnet"`.
      num_classes: outputs of the network.
      **options: fields of the family's module, such as `LeNet5`'s `width`.

    Returns:
      The network's pure functions.

    Raises:
      ValueError: the name is unknown or a value is not allowed.
      TypeError: an option does not belong to this family.

    Example:
      >>> from cmd_jax import models
      >>> models.create("lenet5", num_classes=10, width=1).convolutional
      True
    """
    if name not in _FAMILIES:
        raise ValueError(
            f"unknown model {name!r}{did_you_mean(name, _FAMILIES)}; "
            f"allowed are {', '.join(sorted(_FAMILIES))}"
        )
    if num_classes < 1:
        raise ValueError(f"num_classes={num_classes}; allowed is at least 1")
    module = _FAMILIES[name]
    _check_options(name, module, options)
    return from_linen(
        module(num_classes=num_classes, **options), convolutional=name in _CONVOLUTIONAL
    )


def _check_options(name: str, module: type, options: dict[str, Any]) -> None:
    fields = {field.name for field in dataclasses.fields(module)}
    allowed = sorted(fields - {"num_classes", "parent", "name"})
    for option in options:
        if option not in allowed:
            raise TypeError(
                f"model {name!r} has no option {option!r}"
                f"{did_you_mean(option, allowed)}; allowed are {', '.join(allowed)}"
            )
