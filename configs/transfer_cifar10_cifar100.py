"""Learning transfer from a pre-trained initialisation: CIFAR-10 to CIFAR-100, Conv8.

Two networks of `transfer_cifar10_conv8` are given new heads and trained on CIFAR-100;
what that training does to one of them is carried to the other.
Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 1.21, GMT 6.76, FGMT
6.40, Oracle 6.90.
Command: python experiments/run.py --config transfer_cifar10_cifar100
  --config.branch.run=runs/transfer_cifar10_conv8-HASH
Hardware: a GPU, for the paper's width (scripts/prepare_data cifar100 first). Not run;
`:width=8`, 10 epochs and one pair take half an hour of a CPU core. No method transfers
there (1 to 2 %, of trained networks' 19 %).
The paper's table says 60 epochs, its text 30.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """The config `transfer_cifar10_conv8` with its argument, on CIFAR-100."""
    path = pathlib.Path(__file__).with_name("transfer_cifar10_conv8.py")
    config = configs.load(path, argument)
    numbers = {"Naive": "1.21", "GMT": "6.76", "FGMT": "6.40", "Oracle": "6.90"}
    config.paper = ConfigDict(numbers)
    if config.data.name == "cifar10":  # else a smoke, which has no run to branch from
        config.data.name = "cifar100"
        config.branch.fresh = "dense_2/*"  # of the run that is given as branch.run
        config.transfer.num_steps = 15
        config.transfer.follow_learning_rate = 0.05
    return config
