"""Many devices: the mesh of all processes, and where arrays lie on it.

One axis of devices is all that this project needs: data are split along it, parameters
are copied to all of it. `jax.jit` over such a mesh is today's `pmap`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, Sharding

from cmd_jax.types import PyTree

AXIS = "devices"


def make_mesh(num_devices: int | None = None) -> Mesh:
    """One axis, named `AXIS`, over the devices of all processes.

    Args:
      num_devices: how many devices, the same number of every process; None for all.

    Returns:
      A mesh whose axis is `AxisType.Auto` on every version of JAX: the compiler decides
      how the work between the constraints is split.

    Raises:
      ValueError: there are not so many, or they cannot be taken evenly.

    Example:
      >>> from cmd_jax import sharding
      >>> dict(sharding.make_mesh(1).shape)
      {'devices': 1}
    """
    present, processes = jax.device_count(), jax.process_count()
    wanted = present if num_devices is None else num_devices
    if not 1 <= wanted <= present or wanted % processes:
        raise ValueError(
            f"num_devices={num_devices}; allowed are multiples of {processes}, the "
            f"number of processes, up to {present}, the number of devices"
        )
    each = wanted // processes
    devices = [
        device
        for process in range(processes)
        for device in jax.local_devices(process_index=process)[:each]
    ]
    return jax.make_mesh(
        (wanted,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy of the whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Equal parts along one axis of the array, a part on every device.

    Args:
      mesh: from `make_mesh`.
      axis: the array's axis; its length is a multiple of the number of devices.

    Example:
      >>> from cmd_jax import sharding
      >>> str(sharding.split(sharding.make_mesh(1), axis=1).spec)
      "P(None, 'devices')"
    """
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def place(tree: PyTree, sharding: Sharding) -> PyTree:
    """Makes global arrays of values that every process holds as a whole.

    Args:
      tree: arrays of the host, or of this process's devices; equal in every process.
        Global arrays that lie as wanted are passed through.
      sharding: of every leaf.

    Returns:
      The same structure of global arrays. Each process hands over only the parts that
      lie on its own devices; nothing is sent between processes.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import sharding
      >>> mesh = sharding.make_mesh(1)
      >>> placed = sharding.place({"w": np.ones(4)}, sharding.split(mesh))
      >>> placed["w"].sharding.mesh == mesh
      True
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda leaf: _place(leaf, sharding), tree)


def _place(leaf: PyTree, sharding: Sharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
        return leaf
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _place(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(
        whole.shape, sharding, lambda index: whole[index]
    )
