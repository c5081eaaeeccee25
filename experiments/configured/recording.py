"""What a run records: the steps, and which of the weights, from the config's `record`.

`record` is that block of the config everywhere, `params` the network's parameters or
their shapes.
"""

import fnmatch

from ml_collections import ConfigDict

from cmd_jax import runs, trajectory, trees
from cmd_jax.types import Params

_MAX_RECORDS = 10**6


def schedule(
    record: ConfigDict, *, steps_per_epoch: int, num_steps: int
) -> trajectory.Schedule:
    """The union of the record's schedules; at least step 0 and the last.

    Raises:
      ValueError: there are too many records.
    """
    steps = {0, num_steps}
    every = (record.every_epochs * steps_per_epoch, record.every_steps)
    if sum(num_steps // number for number in every if number) > _MAX_RECORDS:
        raise ValueError(
            f"config.record.every_epochs is {record.every_epochs} and "
            f"config.record.every_steps is {record.every_steps}: of {num_steps:,} "
            f"steps that makes more than {_MAX_RECORDS:,} records"
        )
    for number in filter(None, every):
        steps |= set(trajectory.every_steps(number, total_steps=num_steps).steps)
    if record.num_log_spaced:
        spaced = trajectory.log_spaced(record.num_log_spaced, total_steps=num_steps)
        steps |= set(spaced.steps)
    return trajectory.Schedule(tuple(sorted(steps)))


def selection(record: ConfigDict) -> str | int | None:
    """What to record, as the trajectory's writer wants it: None for all.

    Raises:
      ValueError: leaves and single weights are both asked for.
    """
    if record.num_weights and record.pattern != "*":
        raise ValueError(
            f"config.record.pattern is {record.pattern!r} and "
            f"config.record.num_weights is {record.num_weights}; set one of them"
        )
    if record.num_weights:
        return record.num_weights
    return None if record.pattern == "*" else record.pattern


def whole_network(record: ConfigDict) -> bool:
    """Whether a record holds every parameter, so that it can be evaluated."""
    return selection(record) is None


def num_bytes(record: ConfigDict, params: Params) -> int:
    """Bytes of one record on the disk.

    Raises:
      ValueError: the selection does not fit the network.
    """
    return trajectory.record_bytes(params, select=selection(record), dtype=record.dtype)


def open_recorded(
    seed: runs.SeedDirectory, params: Params, *, verify: bool = True
) -> trajectory.StoredTrajectory:
    """Opens what a seed has recorded; a finished one must have all of its records.

    A trajectory does not know its end: what lost whole records there is, by itself, the
    trajectory of a shorter run. The seed's results know how many there were.

    Raises:
      ValueError: it is damaged, or of another network than `params`, or records are
        lost.
    """
    stored = trajectory.Trajectory.open(seed.trajectory, like=params, verify=verify)
    trained = seed.results().get("num_records") if seed.finished else None
    if trained is not None and len(stored) != trained + 1:  # and the initialisation
        raise ValueError(
            f"{seed.trajectory} has {len(stored)} records, not {trained + 1}: some are "
            "lost. Copy it again"
        )
    return stored


def num_recorded(record: ConfigDict, params: Params) -> int:
    """How many scalars a record holds."""
    if record.num_weights:
        return record.num_weights
    sizes = zip(trees.leaf_names(params), trees.leaf_sizes(params), strict=True)
    return sum(
        int(size) for name, size in sizes if fnmatch.fnmatchcase(name, record.pattern)
    )
