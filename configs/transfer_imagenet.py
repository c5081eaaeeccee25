"""Learning transfer from a random initialisation: ImageNet, ResNet-18 at 224 pixels.

Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 48.51, GMT 48.67, FGMT
49.65, Oracle 49.29.
Command: python experiments/run.py --config transfer_imagenet --data_dir DATA
Hardware: a GPU on which the images of validation and test, 35 GB, have room. Not run;
`--config.train.num_seeds=2` is one pair.
DATA/imagenet holds train/CLASS/IMAGE and val/CLASS/IMAGE. The images are decoded once,
to 256 pixels, into the user's cache folder: 262 GB.
Training crops are taken of those 256 x 256 pixels, the paper's of the whole images. The
learning rate rises linearly within the five epochs of warm-up, the paper's from epoch
to epoch. The gradients' batches are drawn anew for each pair, as 40 of 12 800 images do
not fit into memory together.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:width=8` narrows the network; `:smoke` shrinks the run."""
    options = configs.parse_argument(argument, smoke=False, width=64)
    config = configs.defaults()
    config.study = "transfer"
    config.data.name = "image_folder"
    config.data.folder = "imagenet"
    config.data.normalization = "imagenet"
    config.data.num_validation = 128_116
    config.data.crop_scale = (0.08, 1.0)
    config.data.image_size = 224
    config.data.flip = True
    config.model = ConfigDict(
        {
            "name": "resnet18",
            "width": options["width"],
            "stem": "imagenet",
            "statistics": "running",
        }
    )
    config.optimizer.learning_rate = 0.1
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_epochs = 5
    config.train.total_epochs = 100
    config.train.num_seeds = 6  # three pairs
    config.train.chunk_steps = 20  # whose images lie on the device, and the next ones'
    config.record.every_epochs = 0  # the line needs the first and the last alone
    config.eval.num_statistics = 20 * 128
    config.transfer = ConfigDict(
        {
            "num_steps": 40,
            "path": "linear",
            "shares": "uniform",
            "batch_size": 128,
            "num_micro": 100,
            "resample": True,
            "follow_learning_rate": 0.0,
        }
    )
    config.paper = ConfigDict(
        {"Naive": "48.51", "GMT": "48.67", "FGMT": "49.65", "Oracle": "49.29"}
    )
    config.quick = "transfer_digits"
    return _shrunk(config) if options["smoke"] else config


def _shrunk(config: ConfigDict) -> ConfigDict:
    """One step on synthetic images."""
    config.data.name = "synthetic"
    del config.data.folder
    config.data.shape = (36, 40, 3)
    config.data.num_train = 24
    config.data.num_test = 16
    config.data.num_validation = 8
    config.data.image_size = 32
    config.model.width = 1
    config.optimizer.warmup_epochs = 0
    config.train.total_epochs = 1
    config.train.batch_size = 16
    config.train.num_seeds = 2
    config.eval.batch_size = 16
    config.eval.num_statistics = 16
    config.transfer.num_steps = 1
    config.transfer.batch_size = 8
    config.transfer.num_micro = 1
    return config
