"""ResNet18 on CIFAR-10: the ResNet18 row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 90.91 +- 0.52, Online CMD 92.43 +- 0.34 % test
accuracy. BatchNorm uses the statistics of the batch also in testing, so that a number
depends on the test batches: of 128 images in order, the last of 16.
Command: python experiments/run.py --config resnet18
Hardware: 11 173 962 parameters, 6.7 GB of history a seed. 2 CPU cores: about 75 hours
a seed, computed from the 8.3 core-seconds that a step takes there (`:width=16`: 0.95);
not run in full, nor on a GPU, for which `:dtype=bfloat16` and `:remat` are meant.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The paper's own of its averages are not published.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` and `:width=16` are small; the rest are options of the model."""
    model = {"width": 64, "statistics": "batch", "dtype": "float32", "remat": False}
    options = configs.parse_argument(argument, smoke=False, **model)
    smoke = options.pop("smoke")
    config = configs.table_1_row(learning_rate=0.05, total_epochs=150)
    config.model = ConfigDict({"name": "resnet18", **options})
    config.train.chunk_steps = 5
    config.eval.batch_size = 128
    config.paper = ConfigDict({"SGD": "90.91 ± 0.52", "Online CMD": "92.43 ± 0.34"})
    config.quick = "resnet18:width=16 --config.train.total_epochs=3"
    if smoke:
        configs.shrink_row(config)
        config.model.width = 2
    return config
