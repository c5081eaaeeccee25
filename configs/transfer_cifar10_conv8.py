"""Learning transfer from a random initialisation: CIFAR-10, Conv8.

Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 61.85 ± 2.7, GMT 76.74
± 3.3, FGMT 78.21 ± 2.1, Oracle 78.28 ± 3.4.
Command: python experiments/run.py --config transfer_cifar10_conv8
Hardware: a GPU, for the paper's width (scripts/prepare_data cifar10 first). Not run;
`:width=8`, 10 epochs and one pair take 21 minutes of a CPU core. No method transfers
there (10 to 16 %, of trained networks' 47 %).
Images are padded by four pixels, cropped at random sizes (8 to 100 % of their area),
resized, mirrored and normalised by ImageNet's mean and deviation, as in the paper.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:width=8` narrows the network; `:smoke` shrinks the run."""
    options = configs.parse_argument(argument, smoke=False, width=64)
    config = configs.defaults()
    config.study = "transfer"
    config.data.name = "cifar10"
    config.data.num_validation = 5000
    config.data.normalization = "imagenet"
    config.data.crop_padding = 4
    config.data.crop_scale = (0.08, 1.0)
    config.data.flip = True
    config.model = ConfigDict({"name": "conv8", "width": options["width"]})
    config.optimizer.learning_rate = 0.05
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.schedule = "cosine"
    config.train.total_epochs = 60
    config.train.num_seeds = 6  # three pairs
    config.record.every_epochs = 0  # the line needs the first and the last alone
    config.transfer = ConfigDict(
        {
            "num_steps": 30,
            "path": "linear",
            "shares": "uniform",
            "batch_size": 128,
            "num_micro": 2,
            "resample": False,
            "follow_learning_rate": 0.01,
        }
    )
    config.paper = ConfigDict(
        {
            "Naive": "61.85 ± 2.7",
            "GMT": "76.74 ± 3.3",
            "FGMT": "78.21 ± 2.1",
            "Oracle": "78.28 ± 3.4",
        }
    )
    config.quick = "transfer_digits"
    if options["smoke"]:
        config.data.name = "synthetic"
        config.data.num_train = 96
        config.data.num_test = 16
        config.data.num_validation = 16
        config.model.width = 1
        config.train.total_epochs = 1
        config.train.batch_size = 16
        config.train.num_seeds = 2
        config.transfer.num_steps = 1
        config.transfer.batch_size = 8
        config.transfer.follow_learning_rate = 0.0
    return config
