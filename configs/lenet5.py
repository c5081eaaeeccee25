"""LeNet-5 (triple width) on CIFAR-10: the LeNet row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 75.36 +- 0.57, Online CMD 76.77 +- 0.60 % test accuracy
("SGD" names the column; this row is trained by Adam).
Command: python experiments/run.py --config lenet5
Hardware: 70 minutes a seed on one CPU core (scripts/prepare_data cifar10 first).
Found, three seeds: SGD 75.34 +- 0.72, Online CMD 75.61 +- 1.08, SWA 78.16 +- 0.16 %.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and uses synthetic images; `:width=1` is thin."""
    options = configs.parse_argument(argument, smoke=False, width=3)
    config = configs.table_1_row(learning_rate=1e-3, total_epochs=150)
    config.model = ConfigDict({"name": "lenet5", "width": options["width"]})
    config.optimizer.name = "adam"
    config.paper = ConfigDict({"SGD": "75.36 ± 0.57", "Online CMD": "76.77 ± 0.60"})
    if options["smoke"]:
        configs.shrink_row(config, side=32)
        config.model.width = 1
    return config
