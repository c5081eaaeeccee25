"""The first look: an MLP on scikit-learn's 8x8 digits, three seeds, under a minute.

Paper: none (a demonstration that needs no download).
Command: python experiments/run.py --config digits
Hardware: 2 CPU cores, half a minute with the page.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records.
Expected: about 97 % test accuracy; mean R^2 of the modes above the random-walk null.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the run to a few seconds."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.defaults()
    config.study = "correlation_modes"
    config.data.name = "digits"
    config.data.num_validation = 200
    config.model = ConfigDict({"name": "mlp", "hidden": (128, 64)})
    config.optimizer.learning_rate = 0.05
    config.train.total_epochs = 60
    config.train.batch_size = 32
    config.train.num_seeds = 3
    config.modes = configs.modes()
    config.estimators = configs.estimators()
    if options["smoke"]:
        config.model.hidden = (16,)
        config.train.total_epochs = 5
        config.train.num_seeds = 2
        config.modes = configs.modes(num_modes=3, num_samples=100)
        config.estimators = configs.estimators(warmup_records=2)
    return config
