"""The devices that a run uses, and where its training set lies."""

import os

import jax
from jax.sharding import Mesh, Sharding, SingleDeviceSharding
from ml_collections import ConfigDict

from cmd_jax import data, sharding, train


def choose_mesh(block: ConfigDict) -> Mesh | None:
    """The devices that share a batch; None for one device.

    Args:
      block: the config's `train`.

    Raises:
      ValueError: the batch cannot be split over `num_devices`, or over the processes.
    """
    present, processes = jax.device_count(), jax.process_count()
    multiples = range(processes, present + 1, processes)
    fitting = [number for number in multiples if block.batch_size % number == 0]
    if not fitting:
        raise ValueError(
            f"config.train.batch_size is {block.batch_size}; it must be a multiple of "
            f"{processes}, the number of processes"
        )
    if block.num_devices not in (0, *fitting):
        raise ValueError(
            f"config.train.num_devices is {block.num_devices}; allowed are 0 and "
            f"{', '.join(map(str, fitting))}: of {present} devices in {processes} "
            f"processes, numbers that divide a batch of {block.batch_size}"
        )
    number = block.num_devices or fitting[-1]
    return None if number == 1 else sharding.make_mesh(number)


def state_sharding(mesh: Mesh | None) -> Sharding:
    """How parameters and optimizer state lie: a copy on every device."""
    if mesh is None:
        return SingleDeviceSharding(jax.local_devices()[0])
    return sharding.replicated(mesh)


def choose_placement(config: ConfigDict, examples: data.Examples) -> str:
    """Where the training set lies: "device" or "host".

    Raises:
      ValueError: it lies on the host, and the config asks for a dispatch that needs it
        on the device, or JAX has been told to leave out the CPU.
    """
    placement = config.data.placement
    if placement == "auto":
        memory = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
        size = examples.inputs.nbytes + examples.labels.nbytes
        placement = train.choose_placement(size, memory)
    if placement == "host" and config.train.dispatch == "scan":
        raise ValueError(
            "config.train.dispatch is 'scan', which needs the training set on the "
            "device, and it lies on the host: allowed are 'auto' and 'step'"
        )
    if placement == "host":
        _check_cpu()
    return placement


def _check_cpu() -> None:
    try:
        jax.local_devices(backend="cpu")
    except RuntimeError as error:
        raise ValueError(
            "the training set lies on the host, where its order is drawn: add cpu to "
            f"JAX_PLATFORMS, which is {os.environ.get('JAX_PLATFORMS', '')!r}"
        ) from error
