"""Decomposes a recorded trajectory on the devices of this run, and saves what came out.

    python over_mesh.py TRAJECTORY OUTPUT NUM_DEVICES [COORDINATOR PROCESS_ID]

Run by `test_over_mesh.py`: with one device, with 8 virtual ones, and as two processes
with 4 each. Read from the store, and from memory in parts that lie on the devices.
"""

import sys
from typing import Any

import jax
import numpy as np

from cmd_jax import host, modes, processes, sharding, trees
from cmd_jax.trajectory import Trajectory


def main(path: str, output: str, num_devices: str, *process: str) -> None:
    """Decomposes the trajectory in both ways; the primary saves OUTPUT."""
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    if process:
        processes.start(process[0], 2, int(process[1]))
    mesh = sharding.make_mesh() if jax.device_count() > 1 else None
    stored = Trajectory.open(path)
    results = {"stored": _decompose(stored, mesh)}
    if mesh is not None:
        whole = stored.load()
        parts = jax.tree.map(lambda leaf: _shard(leaf, mesh), whole.params)
        results["parts"] = _decompose(Trajectory(parts, whole.steps), mesh)
    histories = modes.gather(stored, np.arange(101))  # not a multiple of 8
    results["matrix"] = modes.correlation_matrix(histories, mesh=mesh)
    if processes.is_primary():
        names, values = trees.leaf_names(results), jax.tree.leaves(results)
        np.savez(output, **dict(zip(names, values, strict=True)))


def _shard(leaf: np.ndarray, mesh: jax.sharding.Mesh) -> jax.Array:
    """Over the first axis of the weights where that comes out even, else copied."""
    even = leaf.ndim > 1 and leaf.shape[1] % mesh.size == 0
    place = sharding.split(mesh, axis=1) if even else sharding.replicated(mesh)
    return sharding.place(leaf, place)


def _decompose(trajectory: Any, mesh: jax.sharding.Mesh | None) -> dict[str, Any]:
    found = modes.decompose(
        trajectory, num_modes=4, num_samples=100, mesh=mesh, key=jax.random.key(0)
    )
    names = ("labels", "slope", "mean", "explained", "references", "r_squared")
    return host.fetch({name: getattr(found, name) for name in names})


if __name__ == "__main__":
    main(*sys.argv[1:])
