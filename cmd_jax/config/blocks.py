"""The fields of a config with their meanings, block by block."""

from collections.abc import Sequence

from ml_collections import ConfigDict


def defaults() -> ConfigDict:
    """The fields that every config has, with the values that a run starts from."""
    return ConfigDict(
        {
            "study": "",  # the folder of experiments/ whose study.py runs this config
            "seed": 0,  # of the first replica; the others follow
            "data": {
                "name": "digits",
                "num_validation": 0,  # examples held out of the training set
                "crop_padding": 0,  # random crops of images padded by so many pixels
                "crop_scale": (),  # and of such shares of the area, as (0.08, 1.0)
                "image_size": 0,  # side that images are resized to; 0: as they are
                "flip": False,  # random horizontal flips
                "placement": "auto",  # of training images: "device", or "host" if large
            },
            "model": {"name": "mlp"},  # and the options of that family
            "optimizer": {
                "name": "sgd",  # or "adam"
                "learning_rate": 0.1,
                "momentum": 0.0,  # of SGD; Adam's beta_1
                "nesterov": False,
                "weight_decay": 0.0,  # added to the gradient, as in PyTorch
                "schedule": "constant",  # or "cosine", to zero at the last step
                "warmup_epochs": 0,  # of a linear rise from zero
            },
            "train": {
                "total_epochs": 1,
                "batch_size": 128,
                "num_seeds": 1,  # replicas in one run: seeds seed, seed + 1, ...
                "num_devices": 0,  # that share a batch; 0: as many as divide it
                "dispatch": "auto",  # "scan", "step", or what is faster here
                "chunk_steps": 200,  # optimizer steps between two looks, at most
                "checkpoint_every_seconds": 60.0,
            },
            "record": {  # the union of the three; always step 0 and the last
                "every_epochs": 1,  # 0: not by epochs
                "every_steps": 0,
                "num_log_spaced": 0,
                "pattern": "*",  # of the leaves' names, as "*/kernel"
                "num_weights": 0,  # a random sample of so many; 0: all
                "dtype": "float32",  # or "bfloat16_delta": from the first record
            },
            "branch": {  # start from a record of another run, or from a file
                "run": "",  # its directory; "": start from a random initialisation
                "record": -1,  # negative: counted from the end
                "seed": -1,  # of the source; -1: each seed from the same seed
                "fresh": "",  # leaves that begin at random, as "dense_2/*": a new head
                "weights": "",  # in place of a run: a file of pretrained weights
            },
            "eval": {
                "every_epochs": 1,
                "batch_size": 500,
                "num_statistics": 5000,  # training images for re-estimation; 0: all
            },
            "estimators": {},  # that follow the run beside it: see `estimators`
            "log": {"tensorboard": False, "wandb": ""},  # wandb: a project's name
            "paper": {},  # the paper's number of a method, to stand beside ours
            "quick": "",  # a variant that takes minutes, named where a run takes hours
        }
    )


def modes(*, num_modes: int = 10, num_samples: int = 1000) -> ConfigDict:
    """The block `modes` of a study of correlation modes: options of `modes.decompose`.

    Args:
      num_modes: M of the CMD paper.
      num_samples: K, the weights whose correlations are clustered.

    Example:
      >>> from cmd_jax import config
      >>> config.modes(num_modes=3).num_samples
      1000
    """
    return ConfigDict(
        {
            "num_modes": num_modes,
            "num_samples": num_samples,
            "method": "k_medoids",  # or "hierarchical", "random_references"
            "num_restarts": 1,
        }
    )


def estimators(*, warmup_records: int = 20) -> ConfigDict:
    """All that can follow a run and be tested beside it; settings fixed beforehand.

    Records are counted from 0, which is the first one after the initialisation; an
    estimator takes every `every_records`-th of them, and 0 leaves it out. Both of CMD's
    have the modes of the config's block `modes`.

    Args:
      warmup_records: F of the CMD paper: at record F, after F + 1 records, the modes
        are fitted and SWA begins.

    Example:
      >>> from cmd_jax import config
      >>> config.estimators().ema.decay
      0.9
    """
    cmd = {"every_records": 1, "warmup_records": warmup_records, "forgetting": 1.0}
    return ConfigDict(
        {
            "ema": {"every_records": 1, "decay": 0.9},
            "swa": {"every_records": 1, "start_record": warmup_records},
            "lawa": {"every_records": 1, "num_records": 5},
            "online": cmd,
            "random_references": dict(cmd),
        }
    )


def embedding(*, treatment: str = "tied", every_records: int = 10) -> ConfigDict:
    """The block `embedding`: weights become functions of their references in training.

    The fit that is embedded is that of the estimator `online`, which has to follow the
    run; its `warmup_records` are F. The rest is `modes.EmbeddingRule`.

    Args:
      treatment: "snap" as released, "freeze" or "tied"; "none" trains all weights.
      every_records: L of the CMD paper: records from one round to the next.

    Example:
      >>> from cmd_jax import config
      >>> config.embedding().per_cent
      10.0
    """
    return ConfigDict(
        {
            "treatment": treatment,
            "every_records": every_records,
            "per_cent": 10.0,  # P: of all weights, that join in a round
            "of_remaining": False,  # or of those that are left
            "criterion": "coefficients",  # or "function", "relative"
        }
    )


def subspace(
    *,
    methods: Sequence[str] = ("p_sgd", "p_bfgs_equal", "p_bfgs_long"),
    long_records: int = 80,
    batch_size: int = 1024,
    learning_rate: float = 1.0,
) -> ConfigDict:
    """The block `subspace`: P-SGD and P-BFGS in the subspace of a run's first records.

    Both train on to the run's own number of epochs from where its records end.

    Args:
      methods: those to train by, in this order.
      long_records: records after the initialisation that P-SGD and P-BFGS (long) take.
      batch_size: of P-BFGS; P-SGD has that of the run.
      learning_rate: of P-SGD; a tenth of it in the last quarter. 1 is DLDR's.

    Example:
      >>> from cmd_jax import config
      >>> config.subspace().num_directions
      40
    """
    return ConfigDict(
        {
            "methods": tuple(methods),
            "num_directions": 40,  # at most; fewer where the records span fewer
            "equal_records": 20,  # that P-BFGS (equal) takes: as many as online CMD
            "long_records": long_records,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
        }
    )
