"""The fields that CMD's runs on images share: rows of Table 1, and their smokes.

Paper: Brokman et al., Enhancing Neural Training via a Correlated Dynamics Model, ICLR
2024 (arXiv 2312.13247), Table 1.
"""

import pathlib

from ml_collections import ConfigDict

from cmd_jax.config.blocks import defaults, estimators, modes, subspace
from cmd_jax.config.loading import load

_P_BFGS = {"p_bfgs_equal": "P-BFGS (equal)", "p_bfgs_long": "P-BFGS (long)"}


def table_1_row(*, learning_rate: float, total_epochs: int) -> ConfigDict:
    """A row of Table 1 that is trained on CIFAR-10 from the start, but for its model.

    Args:
      learning_rate: constant; the optimizer is SGD with momentum, or what the row says.
      total_epochs: of the run; it is tested every 5.

    Example:
      >>> from cmd_jax import config
      >>> config.table_1_row(learning_rate=0.1, total_epochs=120).modes.num_modes
      10
    """
    config = defaults()
    config.study = "correlation_modes"
    config.data.name = "cifar10"
    config.data.crop_padding = 4
    config.data.flip = True
    config.optimizer.learning_rate = learning_rate
    config.optimizer.momentum = 0.9
    config.train.total_epochs = total_epochs
    config.eval.every_epochs = 5
    config.modes = modes()
    config.estimators = estimators()
    return config


def table_1_subspaces(
    path: str | pathlib.Path, argument: str | None, **paper: str
) -> ConfigDict:
    """A row of Table 1 with P-BFGS after its training.

    Args:
      path: the row's config file.
      argument: what the row's `get_config` takes.
      **paper: the paper's test accuracies of the methods `p_bfgs_equal`, from the
        records of 20 epochs, and `p_bfgs_long`, from those of 80. Which it has are run.

    Example:
      >>> from cmd_jax import config
      >>> path = "configs/lenet5.py"
      >>> row = config.table_1_subspaces(path, "smoke", p_bfgs_long="76.44 ± 0.37")
      >>> row.subspace.methods, row.paper.to_dict()
      (('p_bfgs_long',), {'P-BFGS (long)': '76.44 ± 0.37'})
    """
    config = load(path, argument)
    config.subspace = subspace(methods=tuple(paper), long_records=80, batch_size=1024)
    config.paper = ConfigDict({_P_BFGS[name]: text for name, text in paper.items()})
    if config.data.name == "synthetic":
        config.subspace.update(long_records=3, equal_records=2, batch_size=16)
    return config


def shrink_row(config: ConfigDict, *, side: int = 8) -> None:
    """Turns a run on images into seconds: synthetic ones, four epochs, three modes.

    The model is the caller's to shrink.

    Args:
      config: of a study of correlation modes; it is changed.
      side: of the images that stand in for those of the data set, in pixels.

    Example:
      >>> from cmd_jax import config
      >>> row = config.table_1_row(learning_rate=0.1, total_epochs=120)
      >>> config.shrink_row(row)
      >>> row.data.name, row.train.total_epochs
      ('synthetic', 4)
    """
    config.data.name = "synthetic"
    config.data.shape = (side, side, 3)
    config.data.num_train = 128
    config.train.total_epochs = 4
    config.train.batch_size = 16
    config.eval.every_epochs = 1
    config.modes = modes(num_modes=3, num_samples=100)
    config.estimators = estimators(warmup_records=2)
