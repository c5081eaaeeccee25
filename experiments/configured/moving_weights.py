"""Weights that never move cannot be sampled, and how many move only training tells."""

from ml_collections import ConfigDict

from cmd_jax import modes
from cmd_jax.trajectory import StoredTrajectory
from experiments.process import progress


def with_moving_samples(config: ConfigDict, recorded: StoredTrajectory) -> ConfigDict:
    """The config, its `modes.num_samples` lowered to the weights that move.

    A run is not lost for it: where fewer move than were asked for, all are sampled, and
    that is said.
    """
    asked = config.modes.num_samples
    moving = modes.count_moving(recorded, at_most=asked)
    if moving == asked:
        return config
    progress.say(
        f"config.modes.num_samples is {asked}, and only {moving} weights move: all of "
        "them are sampled"
    )
    lowered = config.copy_and_resolve_references()
    lowered.modes.num_samples = moving
    return lowered
