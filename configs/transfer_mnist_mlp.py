"""Learning transfer from a random initialisation: MNIST, an MLP 784-4096-10.

Paper: Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
2305.14122), Figure 5, peak over t on its validation split: Naive 97.74 ± 0.03, GMT
98.06 ± 0.05, FGMT 97.94 ± 0.14, Oracle 97.95 ± 0.15.
Command: python experiments/run.py --config transfer_mnist_mlp
Hardware: 2 CPU cores, 16 minutes a pair and initialisation (scripts/prepare_data mnist
first).
Found, three pairs by PyTorch's initialisation: Naive 34.0 ± 2.5, GMT 91.8 ± .5, FGMT
92.0 ± .2, Oracle 96.9 ± .2 %; by the smaller one 97.1, 97.9, 97.9 and 98.1 %.
The stated settings do not give the paper's numbers: with PyTorch's initialisation,
which it names, training moves the network by about a quarter of its initial size, and
Naive transfer fails. Hence two runs, with that initialisation and with one 0.3 times as
large; the true one is unknown, and neither is a reproduction.
"""

from typing import Any

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:init_scale=0.3` sets the initialisation; `:smoke` shrinks the model."""
    options = configs.parse_argument(argument, smoke=False, init_scale=1.0)
    config = configs.defaults()
    config.study = "transfer"
    config.data.name = "mnist"
    config.data.num_validation = 6000
    config.model = ConfigDict(
        {
            "name": "mlp",
            "hidden": (4096,),
            "use_bias": False,
            "init_scale": options["init_scale"],
        }
    )
    config.optimizer.learning_rate = 0.01
    config.optimizer.momentum = 0.9
    config.train.total_epochs = 15
    config.train.num_seeds = 6  # three pairs
    config.record.every_epochs = 0  # the line needs the first and the last alone
    config.eval.batch_size = 2000
    config.transfer = ConfigDict(
        {
            "num_steps": 5,
            "path": "linear",
            "shares": "uniform",
            "batch_size": 128,
            "num_micro": 1,
            "resample": False,
            "follow_learning_rate": 0.002,  # a fifth, as on digits; not the paper's
        }
    )
    config.paper = ConfigDict(
        {
            "Naive": "97.74 ± 0.03",
            "GMT": "98.06 ± 0.05",
            "FGMT": "97.94 ± 0.14",
            "Oracle": "97.95 ± 0.15",
        }
    )
    if options["smoke"]:
        config.data.name = "synthetic"
        config.data.shape = (28, 28, 1)
        config.data.num_validation = 64
        config.model.hidden = (8,)
        config.train.total_epochs = 2
        config.train.batch_size = 16
        config.train.num_seeds = 2
        config.transfer.num_steps = 2
        config.transfer.batch_size = 16
    return config


def sweep() -> list[dict[str, Any]]:
    """PyTorch's initialisation, and one 0.3 times as large."""
    return [{"model.init_scale": 1.0}, {"model.init_scale": 0.3}]
