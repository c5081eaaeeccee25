"""Test accuracy of an MLP on digits against mini-batch size and learning rate.

Paper: none. Marino and Ricci-Tersenghi (arXiv 2305.06435) ask from which mini-batch
size on a student learns its teacher; this asks it of a classifier on real data. Every
point is tested after a fixed number of epochs and after a fixed number of steps.
Command: python experiments/run.py --config phase_digits
Hardware: 2 CPU cores, about two and a half minutes of their time.
Expected: a sharp threshold that grows with the learning rate: after 1000 steps nothing
is learned up to m = 1 at η = 0.3 and up to m = 4 at η = 1, and more than 90 % is right
from m = 4 and m = 32 on.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the grid and the network to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.defaults()
    config.study = "batch_size"
    config.data.name = "digits"
    config.data.num_validation = 200
    config.model = ConfigDict({"name": "mlp", "hidden": (64,)})
    config.train.num_seeds = 3
    config.train.num_devices = 1  # a batch of one example has nothing to share
    config.train.total_epochs = 20  # before the first test
    # Instead of train.batch_size and optimizer.learning_rate:
    config.batch_size = ConfigDict(
        {
            "batch_sizes": (1, 2, 4, 8, 16, 32, 128, 512),
            "learning_rates": (0.03, 0.1, 0.3, 1.0),
            "num_steps": 1000,  # before the second test
        }
    )
    if options["smoke"]:
        config.model.hidden = (16,)
        config.batch_size.batch_sizes = (4, 64)
        config.batch_size.learning_rates = (0.1,)
        config.train.total_epochs = 1
        config.batch_size.num_steps = 30
    return config
