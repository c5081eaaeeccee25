"""Where a chunk's batches come from: the memory of the device, or that of the host.

Both give the same batches in the same order, of the whole training set or of a subset
that each seed draws for itself. On the device lies the whole training set, and a step
takes its rows by the epoch's permutation. A set that does not fit there stays on the
host: a thread gathers and moves the batches of the next chunk while the device is at
work on this one, so two chunks of batches are on the device.
"""

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, SingleDeviceSharding
from jaxtyping import Int

from cmd_jax import sharding
from cmd_jax.data import Examples, Subset, batch_indices, epoch_permutation
from cmd_jax.types import Array, Key, PyTree

Batch = tuple[Array, Array]
"""Stored images and int32 labels of one step; of a group of seeds, stacked."""

_SHARE_OF_MEMORY = 0.5  # of a device's memory that a training set may take


def choose_placement(num_bytes: int, device_memory: int | None) -> str:
    """Where a training set lies: "device" if it takes at most half the memory there.

    Args:
      num_bytes: of the training set.
      device_memory: bytes of one device; None where it does not tell, as a CPU.

    Example:
      >>> from cmd_jax import train
      >>> train.choose_placement(150_000_000, 16_000_000_000)
      'device'
      >>> train.choose_placement(150_000_000_000, 16_000_000_000)
      'host'
    """
    fits = device_memory is None or num_bytes <= _SHARE_OF_MEMORY * device_memory
    return "device" if fits else "host"


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of the training set that a seed trains on: all, or those of a subset."""

    num_examples: int
    subset: Subset | None = None

    def __len__(self) -> int:
        """How many they are."""
        return self.num_examples if self.subset is None else self.subset.size

    def order(self, key: Key, epoch: int | Int[Array, ""]) -> Int[Array, " taken"]:
        """The rows in the order of an epoch; it can be traced."""
        order = epoch_permutation(key, epoch, len(self))
        return order if self.subset is None else self.subset.draw(key)[order]


class DeviceFeed:
    """Batches taken from the whole training set on the device.

    Args:
      examples: the training set; moved here, once, to every device of the mesh.
      rows: those that a seed trains on.
      batch_size: examples of a step.
      mesh: over whose devices a batch is split; None for one device.
    """

    def __init__(
        self, examples: Examples, rows: Rows, *, batch_size: int, mesh: Mesh | None
    ):
        arrays = (examples.inputs, examples.labels)
        self.data: PyTree = (
            jax.device_put(arrays)
            if mesh is None
            else sharding.place(arrays, sharding.replicated(mesh))
        )
        self._rows = rows
        self._batch_size = batch_size
        self._mesh = mesh

    def begin(self, key: Key, step: Int[Array, ""]) -> Int[Array, " taken"]:
        """The order of the epoch that `step` lies in; traced."""
        return self._rows.order(key, step // (len(self._rows) // self._batch_size))

    def batch(self, order: Array, step: Int[Array, ""], data: PyTree) -> Batch:
        """The batch of a step; traced."""
        number = step % (len(self._rows) // self._batch_size)
        index = batch_indices(order, number, batch_size=self._batch_size)
        images, labels = (jnp.take(x, index, axis=0) for x in data)
        if self._mesh is None:
            return images, labels
        parts = sharding.split(self._mesh)
        return jax.lax.with_sharding_constraint((images, labels), parts)


class HostFeed:
    """Batches gathered on the host, those of the next chunk ahead of their time.

    Args:
      examples: the training set; it stays where it is.
      rows: those that a seed trains on.
      groups: the root keys of the seeds that are trained together, group by group.
      batch_size: examples of a step.
      mesh: over whose devices a batch is split; every process gathers the rows of its
        own devices only. None for one device.
    """

    data: PyTree = ()

    def __init__(
        self,
        examples: Examples,
        rows: Rows,
        groups: Sequence[Sequence[Key]],
        *,
        batch_size: int,
        mesh: Mesh | None,
    ):
        self._examples = examples
        self._rows = rows
        self._orders = [_Orders(keys, rows) for keys in groups]
        self._batch_size = batch_size
        self._mesh = mesh
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._ahead: tuple[tuple[int, int], Future] | None = None

    def begin(self, key: Key, step: Int[Array, ""]) -> tuple[()]:
        """Nothing: the order is the host's business."""
        del key, step
        return ()

    def batch(self, fed: Batch, step: Int[Array, ""], data: PyTree) -> Batch:
        """The batch itself."""
        del step, data
        return fed

    def open(self, start: int, count: int, following: int) -> list[Iterator[Batch]]:
        """The batches of every group for the steps `start` ... `start + count - 1`.

        The steps lie in one epoch, and so do the `following` ones after them, which
        are prepared meanwhile.
        """
        if self._ahead is not None and self._ahead[0] == (start, count):
            groups = self._ahead[1].result()
        else:  # the first chunk, or one that nobody announced
            groups = self._load(start, count)
        ahead = (start + count, following)
        self._ahead = ahead, self._pool.submit(self._load, *ahead)
        return [_drain(batches) for batches in groups]

    def _load(self, start: int, count: int) -> list[deque[Batch]]:
        steps_per_epoch = len(self._rows) // self._batch_size
        epoch, first = divmod(start, steps_per_epoch)
        return [
            deque(
                self._put(order[..., n * self._batch_size :][..., : self._batch_size])
                for n in range(first, first + count)
            )
            for order in (orders(epoch) for orders in self._orders)
        ]

    def _put(self, rows: np.ndarray) -> Batch:
        """Moves the rows of one step, [batch] or [seeds, batch], to the devices."""
        parts = (
            SingleDeviceSharding(jax.local_devices()[0])
            if self._mesh is None
            else sharding.split(self._mesh, axis=rows.ndim - 1)
        )

        def put(source: np.ndarray) -> Array:
            def part(index: Any) -> np.ndarray:
                return source[rows[index[: rows.ndim]]]

            shape = rows.shape + source.shape[1:]
            return jax.make_array_from_callback(shape, parts, part)

        return put(self._examples.inputs), put(self._examples.labels)


class _Orders:
    """The permutations of a group's epochs, on the host, as the device would draw them.

    They are drawn on the CPU, so that no one waits for an accelerator that is at work.
    """

    def __init__(self, keys: Sequence[Key], rows: Rows):
        self._device = jax.local_devices(backend="cpu")[0]
        self._keys = [jax.device_put(key, self._device) for key in keys]
        self._draw = jax.jit(rows.order)
        self._latest: dict[int, np.ndarray] = {}

    def __call__(self, epoch: int) -> np.ndarray:
        """[taken] of one seed, [seeds, taken] of several."""
        if epoch not in self._latest:
            orders = [np.asarray(self._draw(key, epoch)) for key in self._keys]
            self._latest = {epoch: orders[0] if len(orders) == 1 else np.stack(orders)}
        return self._latest[epoch]


def _drain(batches: deque[Any]) -> Iterator[Any]:
    """Gives every batch away, so that its memory is free when its step is done."""
    while batches:
        yield batches.popleft()
