"""GoogLeNet on CIFAR-10: the GoogLeNet row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 92.05 +- 0.48, Online CMD 93.07 +- 0.49 % test
accuracy ("SGD" names the column; this row is trained by Adam). BatchNorm with
running statistics.
Command: python experiments/run.py --config googlenet
Hardware: 6 166 250 parameters, 3.0 GB of history a seed. 2 CPU cores: about 8 days a
seed, computed from the 31 core-seconds that a step takes there, four times those
measured with 32 images; not run in full, nor on a GPU, for which it is meant.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The paper's own of its averages are not published.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` and `:width=8` are small; the rest are options of the model."""
    model = {"width": 64, "blocks_per_stage": 5, "statistics": "running"}
    options = configs.parse_argument(argument, smoke=False, **model)
    smoke = options.pop("smoke")
    config = configs.table_1_row(learning_rate=1e-3, total_epochs=120)
    config.model = ConfigDict({"name": "googlenet", **options})
    config.optimizer.name = "adam"
    config.train.chunk_steps = 5
    config.eval.batch_size = 128
    config.modes = configs.modes(num_modes=7, num_samples=5000)
    config.paper = ConfigDict({"SGD": "92.05 ± 0.48", "Online CMD": "93.07 ± 0.49"})
    config.quick = "googlenet:width=8,blocks_per_stage=1 --config.train.total_epochs=3"
    if smoke:
        configs.shrink_row(config)
        config.model.width = 8
        config.model.blocks_per_stage = 1
    return config
