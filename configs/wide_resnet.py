"""WideResNet-28-10 on CIFAR-10: the WideResNet-28-10 row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 92.70 +- 0.48, Online CMD 93.21 +- 0.50 % test
accuracy. Dropout 0.3; BatchNorm with running statistics.
Command: python experiments/run.py --config wide_resnet
Hardware: 36 489 290 parameters, 17.7 GB of history a seed. 2 CPU cores: about 22 days a
seed, computed from the 80 core-seconds that a step takes there, eight times those
measured with 16 images; not run in full, nor on a GPU, for which it is meant.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The paper's own of its averages are not published.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` and `:depth=10,width=1` are small; the rest are options of the model."""
    model = {"depth": 28, "width": 10, "dropout": 0.3, "statistics": "running"}
    options = configs.parse_argument(argument, smoke=False, **model)
    smoke = options.pop("smoke")
    config = configs.table_1_row(learning_rate=0.1, total_epochs=120)
    config.model = ConfigDict({"name": "wide_resnet", **options})
    config.train.chunk_steps = 5
    config.eval.batch_size = 128
    config.modes = configs.modes(num_modes=5, num_samples=1000)
    config.paper = ConfigDict({"SGD": "92.70 ± 0.48", "Online CMD": "93.21 ± 0.50"})
    config.quick = "wide_resnet:depth=10,width=1 --config.train.total_epochs=3"
    if smoke:
        configs.shrink_row(config)
        config.model.depth = 10
        config.model.width = 1
    return config
