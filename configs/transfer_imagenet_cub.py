"""Learning transfer from a pre-trained initialisation: ImageNet to CUB-200-2011.

Two ResNet-18 of `transfer_imagenet` are given new heads and trained on CUB; what that
training does to one of them is carried to the other, heads included.
Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 0.83, GMT 21.65, FGMT
20.42, Oracle 30.11.
Command: python experiments/run.py --config transfer_imagenet_cub --data_dir DATA
  --config.branch.run=runs/transfer_imagenet-HASH
Hardware: a GPU. Not run.
DATA/cub holds train/CLASS/IMAGE and test/CLASS/IMAGE.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `transfer_imagenet_cars` with its argument, on CUB."""
    path = pathlib.Path(__file__).with_name("transfer_imagenet_cars.py")
    config = configs.load(path, argument)
    config.paper = ConfigDict(
        {"Naive": "0.83", "GMT": "21.65", "FGMT": "20.42", "Oracle": "30.11"}
    )
    if config.data.name == "image_folder":
        config.data.folder = "cub"
        config.data.num_validation = 599
        config.transfer.follow_learning_rate = 0.01
    return config
