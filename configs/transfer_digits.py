"""Learning transfer in seconds: an MLP 512-512 on digits, three pairs of seeds.

Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122); none of its rows, its method at a size for a CPU.
Command: python experiments/run.py --config transfer_digits
Hardware: 2 CPU cores, some minutes with the page.
Expected at the last step: Naive 60 to 85 %, GMT and FGMT at least 92 %, Oracle at least
93 %; trained networks about 97 %. Measured: 75.8, 94.2, 94.0, 95.2 and 97.2 %.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.defaults()
    config.study = "transfer"
    config.data.name = "digits"
    config.data.num_validation = 137
    config.data.normalization = "range"  # pixels / 16
    config.model = ConfigDict({"name": "mlp", "hidden": (512, 512)})
    config.optimizer.learning_rate = 0.05
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.schedule = "cosine"
    config.train.total_epochs = 60
    config.train.num_seeds = 6  # three pairs
    config.transfer = ConfigDict(
        {
            "num_steps": 10,
            "path": "linear",  # or "recorded"
            "shares": "uniform",  # or "cosine"
            "batch_size": 128,
            "num_micro": 1,
            "resample": False,
            "follow_learning_rate": 0.01,
        }
    )
    if options["smoke"]:
        config.model.hidden = (16,)
        config.train.total_epochs = 4
        config.train.batch_size = 32
        config.train.num_seeds = 2
        config.transfer.num_steps = 2
        config.transfer.batch_size = 32
    return config
