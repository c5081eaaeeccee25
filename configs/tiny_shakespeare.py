"""A small decoder transformer on tiny Shakespeare, character by character.

Paper: none. Turjeman et al., The Underlying Correlated Dynamics in Neural Training
(arXiv 2212.09040) names a transformer among its networks; this one is a reconstruction
in small, of another size on another text, so no number of that paper stands beside it.
Command: python experiments/run.py --config tiny_shakespeare
Hardware: 2 CPU cores, 8 minutes (scripts/prepare_data tiny_shakespeare first).
Optimizer: Adam at a constant rate, as the CMD paper trains, with the gradient clipped.
Estimators, with settings fixed beforehand: ten records an epoch, F = 20 of them before
Online CMD, random references and SWA begin, EMA of decay 0.9, LAWA of 5 records.
Expected: 43 % of the next characters, a test loss of 1.95 nats; online CMD above 2.2.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and uses a synthetic text."""
    options = configs.parse_argument(argument, smoke=False)
    config = configs.defaults()
    config.study = "correlation_modes"
    config.data.name = "tiny_shakespeare"
    config.data.context = 64
    config.model = ConfigDict(
        {"name": "decoder", "hidden": 32, "depth": 2, "heads": 4, "context": 64}
    )
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 3e-3
    config.optimizer.momentum = 0.9
    config.optimizer.clip_norm = 1.0
    config.train.total_epochs = 5
    config.train.batch_size = 32
    config.train.num_seeds = 3
    config.record.every_epochs = 0
    config.record.every_steps = 49  # of 490 in an epoch
    config.eval.batch_size = 128
    config.modes = configs.modes()
    config.estimators = configs.estimators()
    if options["smoke"]:
        config.data.name = "synthetic_text"
        config.data.context = 8
        config.data.num_validation = 32
        config.model.update(hidden=8, depth=1, heads=2, context=8)
        config.record.every_steps = 7
        config.train.num_seeds = 2
        config.modes = configs.modes(num_modes=3, num_samples=100)
        config.estimators = configs.estimators(warmup_records=2)
    return config
