"""The config's block `embedding`: what it says, the optimizer of it, what is refused.

L and P are the block's, F is the warm-up of the estimator `online`: what is embedded is
its fit, so it has to follow the run.
"""

from typing import Any

import optax
from ml_collections import ConfigDict

from cmd_jax import modes
from cmd_jax.spelling import did_you_mean
from experiments.configured import recording
from experiments.configured.checks import about

TREATMENTS = ("none", "snap", "freeze", "tied")


def is_asked_for(config: ConfigDict) -> bool:
    """Whether a run of this config embeds weights."""
    return "embedding" in config and config.embedding.treatment != "none"


def rule(config: ConfigDict) -> modes.EmbeddingRule:
    """When which weights are embedded.

    Raises:
      ValueError: the estimator whose fit is embedded does not follow the run.
    """
    online = config.estimators.get("online")
    if online is None or online.every_records < 1:
        raise ValueError(
            "config.embedding embeds the fit of config.estimators.online, which does "
            "not follow this run: add it (config.estimators), with every_records of at "
            "least 1, or take config.embedding out"
        )
    options = config.embedding.to_dict()
    del options["treatment"]
    return modes.EmbeddingRule(warmup_records=online.warmup_records, **options)


def fitted_record(config: ConfigDict, record: int) -> int:
    """The t of the last record that online CMD has seen; the initialisation has -1."""
    return record // config.estimators.online.every_records - 1


def wrap(
    config: ConfigDict, optimizer: optax.GradientTransformation, steps_per_epoch: int
) -> optax.GradientTransformation:
    """The optimizer with the embedding's treatment around it.

    Raises:
      ValueError: an unknown treatment, or a rule that is not allowed.
    """
    if not is_asked_for(config):
        return optimizer
    name, chosen = config.embedding.treatment, rule(config)
    with about("config.embedding"):
        chosen.check()
    options: dict[str, Any] = {
        "num_modes": config.modes.num_modes,
        "scaled": chosen.criterion == "relative",
    }
    if name == "snap":
        return modes.snap(optimizer, every_updates=steps_per_epoch, **options)
    if name == "freeze":
        return modes.freeze(optimizer, **options)
    if name == "tied":
        return modes.tied(optimizer, **options)
    raise ValueError(
        f"config.embedding.treatment is {name!r}{did_you_mean(name, TREATMENTS)}; "
        f"allowed are {', '.join(TREATMENTS)}"
    )


def check(config: ConfigDict, num_records: int) -> None:
    """Refuses what a run cannot embed, before it starts.

    Args:
      config: of the run.
      num_records: of the run, its initialisation included.

    Raises:
      ValueError: names the field and what is allowed.
    """
    if not is_asked_for(config):
        return
    if not recording.whole_network(config.record):
        raise ValueError(
            "config.embedding needs every weight, and config.record records a part of "
            "them: set config.record.pattern='*' and config.record.num_weights=0"
        )
    if config.modes.method == "hierarchical":
        raise ValueError(
            "config.modes.method is 'hierarchical', which may find fewer modes than "
            "config.modes.num_modes: config.embedding needs as many as are asked for"
        )
    first, last = rule(config).first_record, fitted_record(config, num_records - 1)
    if first >= last:
        raise ValueError(
            f"config.embedding embeds first at record {first}, and the run ends at "
            f"record {last} (the first one after the initialisation is 0): train "
            "longer, or lower config.embedding.every_records or "
            "config.estimators.online.warmup_records"
        )
