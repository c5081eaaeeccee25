"""PreResNet-164 on CIFAR-10: the PreRes164 row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 90.64 +- 0.98, Online CMD 91.34 +- 1.20 % test
accuracy. BatchNorm with running statistics; the blocks are those of the paper's
release, not bottlenecks.
Command: python experiments/run.py --config pre_resnet
Hardware: 2 605 466 parameters, 1.6 GB of history a seed. 2 CPU cores: about 90 hours a
seed, computed from the 11 core-seconds that a step takes there, four times those of 32
images, and these from networks of 1 and 3 blocks a stage; not run in full, nor on a
GPU, for which it is meant.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The paper's own of its averages are not published.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` and `:blocks_per_stage=1` are small; all but smoke are the model's."""
    model = {"width": 16, "blocks_per_stage": 27, "statistics": "running"}
    options = configs.parse_argument(argument, smoke=False, **model)
    smoke = options.pop("smoke")
    config = configs.table_1_row(learning_rate=0.1, total_epochs=150)
    config.model = ConfigDict({"name": "pre_resnet", **options})
    config.train.chunk_steps = 5
    config.eval.batch_size = 128
    config.modes = configs.modes(num_modes=2, num_samples=10000)
    config.paper = ConfigDict({"SGD": "90.64 ± 0.98", "Online CMD": "91.34 ± 1.20"})
    config.quick = "pre_resnet:blocks_per_stage=1 --config.train.total_epochs=3"
    if smoke:
        configs.shrink_row(config)
        config.model.width = 2
        config.model.blocks_per_stage = 1
    return config
