"""Where the weights of a history are fitted: on this host's cores, or over a mesh.

Both go over the history once, in pieces, and write the fits of each piece where they
are told. What happens in a piece is in `least_squares` and `host_least_squares`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from cmd_jax import host, sharding, trees
from cmd_jax.modes.histories import check_block
from cmd_jax.modes.host_least_squares import fit_on_host
from cmd_jax.modes.least_squares import References, WeightFits, fit_motion
from cmd_jax.trajectory import StoredTrajectory
from cmd_jax.trajectory.blocks import AnyTrajectory, Block, map_blocks

_WIDTH = 2**16  # weights that are fitted at a time on a core,
_DEVICE_WIDTH = 2**17  # and on a device

Piece = Callable[[int, int, int], WeightFits]
"""Where the fits of a leaf's weights are written, from its number, start and stop."""


def on_cores(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    references: References,
    piece: Piece,
) -> None:
    """Fits the leaves on every core, or on this process's first accelerator.

    Args:
      trajectory: the records, in memory or stored.
      leaves: numbers of the leaves to fit, which are of floating point.
      references: from `least_squares.normalise`.
      piece: called from several threads at a time.

    Raises:
      ValueError: a history is not finite; the message names the leaf and the record.
    """
    on_cpu = jax.default_backend() == "cpu"
    on_device = references if on_cpu else jax.device_put(references)

    def work(block: Block) -> None:
        fits = piece(block.leaf, block.start, block.stop)
        if on_cpu:
            fit_on_host(block.history, references, fits)
        else:
            _write(host.fetch(fit_motion(block.history, on_device)), fits)
        _check(trajectory, block[:3], fits)

    map_blocks(trajectory, leaves, work, width=_WIDTH if on_cpu else _DEVICE_WIDTH)


def on_mesh(
    trajectory: AnyTrajectory,
    leaves: Iterable[int],
    references: References,
    piece: Piece,
    *,
    mesh: Mesh,
) -> None:
    """Fits the leaves with the weights shared out over a mesh, as `on_cores` does.

    Of a stored history every process reads the part of its own devices only; every
    process is given every piece.
    """
    sizes = trees.leaf_sizes(trajectory.template)
    on_devices = sharding.place(references, sharding.replicated(mesh))
    for leaf in leaves:
        share = -(-int(sizes[leaf]) // mesh.size)
        width = min(_DEVICE_WIDTH, max(1, share)) * mesh.size
        for start in range(0, int(sizes[leaf]), width):
            stop = min(start + width, int(sizes[leaf]))
            history = _spread(trajectory, (leaf, start, stop), width, mesh)
            found = host.fetch(fit_motion(history, on_devices))
            fits = piece(leaf, start, stop)
            _write(found, fits)
            _check(trajectory, (leaf, start, stop), fits)


def _write(found: WeightFits, fits: WeightFits) -> None:
    """Writes the fits of the first weights, as many as there is place for."""
    for values, place in zip(found, fits, strict=True):
        place[:] = values[: len(place)]


def _check(
    trajectory: AnyTrajectory, part: tuple[int, int, int], fits: WeightFits
) -> None:
    """Raises the ValueError of weights whose sums are not finite."""
    if not np.isfinite(np.sum(fits.explained)):
        check_block(trajectory, *part)


def _spread(
    trajectory: AnyTrajectory, part: tuple[int, int, int], width: int, mesh: Mesh
) -> Float32[jax.Array, "records weights"]:
    """A part of a history, padded with zeros to `width`, its weights over the mesh."""
    leaf, start, stop = part
    place = sharding.split(mesh, axis=1)
    if not isinstance(trajectory, StoredTrajectory):
        values = jnp.asarray(trajectory.read(leaf, start, stop))
        padded = jnp.pad(values, ((0, 0), (0, width - values.shape[1])))
        return sharding.place(padded, place)

    def local(index: Any) -> np.ndarray:
        first, last, _ = index[1].indices(width)
        found = trajectory.read(leaf, min(start + first, stop), min(start + last, stop))
        return np.pad(found, ((0, 0), (0, last - first - found.shape[1])))

    return jax.make_array_from_callback((len(trajectory), width), place, local)
