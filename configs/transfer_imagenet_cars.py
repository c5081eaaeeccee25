"""Learning transfer from a pre-trained initialisation: ImageNet to Stanford Cars.

Two ResNet-18 of `transfer_imagenet` are given new heads and trained on Cars; what that
training does to one of them is carried to the other, heads included.
Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 1.06, GMT 7.53, FGMT
7.21, Oracle 13.92.
Command: python experiments/run.py --config transfer_imagenet_cars --data_dir DATA
  --config.branch.run=runs/transfer_imagenet-HASH
Hardware: a GPU. Not run.
DATA/cars holds train/CLASS/IMAGE and test/CLASS/IMAGE.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `transfer_imagenet` with its argument, on Cars."""
    path = pathlib.Path(__file__).with_name("transfer_imagenet.py")
    config = configs.load(path, argument)
    config.paper = ConfigDict(
        {"Naive": "1.06", "GMT": "7.53", "FGMT": "7.21", "Oracle": "13.92"}
    )
    if config.data.name == "synthetic":  # a smoke, which has no run to branch from
        return config
    config.data.folder = "cars"
    config.data.num_validation = 814
    config.branch.fresh = "dense/*"  # of the run that is given as branch.run
    config.optimizer.warmup_epochs = 0
    config.train.total_epochs = 30
    config.eval.num_statistics = 2 * 128
    config.transfer.num_steps = 15
    config.transfer.num_micro = 5
    config.transfer.resample = False
    config.transfer.follow_learning_rate = 0.05
    return config
