"""An MLP on MNIST: correlation modes of a small dense network.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247); no row of its tables, the model of its method at a size for a CPU.
Command: python experiments/run.py --config mnist_mlp
Hardware: 2 CPU cores, some minutes (scripts/prepare_data mnist first).
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records.
Expected: about 98 % test accuracy.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and uses synthetic images."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.defaults()
    config.study = "correlation_modes"
    config.data.name = "mnist"
    config.data.num_validation = 5000
    config.model = ConfigDict({"name": "mlp", "hidden": (256, 128)})
    config.optimizer.learning_rate = 0.05
    config.train.total_epochs = 30
    config.train.num_seeds = 3
    config.modes = configs.modes()
    config.estimators = configs.estimators()
    if options["smoke"]:
        config.data.name = "synthetic"
        config.data.shape = (28, 28, 1)
        config.data.num_validation = 64
        config.model.hidden = (8,)
        config.train.total_epochs = 4
        config.train.batch_size = 16
        config.train.num_seeds = 2
        config.modes = configs.modes(num_modes=3, num_samples=100)
        config.estimators = configs.estimators(warmup_records=2)
    return config
