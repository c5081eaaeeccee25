"""ViT-B/16 fine-tuned on CIFAR-10: the ViT row of Table 1.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model
(arXiv 2312.13247), Table 1: SGD 97.86 +- 0.11, Online CMD 97.99 +- 0.28 % test
accuracy, from torchvision's ImageNet-1k weights. The rate rises for 5 epochs and falls
by a cosine, changed at every step.
Command: python experiments/run.py --config vit_b16
  --config.branch.weights=vit_b_16.safetensors
The file of weights is not part of this project: docs/own_model.md says how to export
it. Without it the run is refused; `--config.branch.weights=` trains from scratch.
Hardware: a GPU; 85 806 346 parameters, 31 GB of history a seed. Not run in full. For
accelerators there are `:dtype=bfloat16` and `:remat`.
Estimators, with settings fixed beforehand: F = 20 records before Online CMD, random
references and SWA begin, EMA of decay 0.9, LAWA of 5 records; tested every 5 epochs.
The remainder of an epoch (80 of 50 000 images, drawn anew each epoch) is left out.
"""

from ml_collections import ConfigDict

from cmd_jax import config as configs


def get_config(argument: str | None = None) -> ConfigDict:
    """`:smoke` shrinks the model and starts at random; the rest are the model's."""
    options = configs.parse_argument(
        argument, smoke=False, dtype="float32", remat=False
    )
    smoke = options.pop("smoke")
    config = configs.defaults()
    config.study = "correlation_modes"
    config.data.name = "cifar10"
    config.data.normalization = "half"
    config.data.image_size = 224
    config.data.crop_scale = (0.05, 1.0)
    config.model = ConfigDict({"name": "vit", **options})
    config.branch.weights = "vit_b_16.safetensors"
    config.optimizer.learning_rate = 0.03
    config.optimizer.momentum = 0.9
    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_epochs = 5
    config.train.total_epochs = 90
    config.train.chunk_steps = 20
    config.eval.batch_size = 250
    config.eval.every_epochs = 5
    config.modes = configs.modes()
    config.estimators = configs.estimators()
    config.paper = ConfigDict({"SGD": "97.86 ± 0.11", "Online CMD": "97.99 ± 0.28"})
    if smoke:
        configs.shrink_row(config, side=6)
        config.data.image_size = 8
        config.model.update(patch=4, hidden=8, depth=1, heads=2, mlp_hidden=16)
        config.branch.weights = ""
        config.optimizer.warmup_epochs = 1
    return config
