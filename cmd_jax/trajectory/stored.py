"""The history of a network's parameters on disk, read through a memory map."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, Int64, Shaped, UInt8

from cmd_jax import trees
from cmd_jax.files import Path
from cmd_jax.trajectory import store
from cmd_jax.trajectory.history import Trajectory, as_float32, record_number
from cmd_jax.trajectory.layout import Layout, check_leaves, rebuild
from cmd_jax.trajectory.selection import split_coordinates
from cmd_jax.types import ArrayLike, Params, PyTree


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class StoredTrajectory:
    """A handle to a trajectory on disk, read through a memory map; not a pytree.

    Made by `Trajectory.open`. Slices share the map. `load` reads it into memory; leaves
    that were not recorded are None (an empty subtree to JAX).

    Attributes:
      path: the trajectory's directory, or that of the checkpoints it is a copy of.
      layout: which leaves a record holds, and where.
      steps: the optimizer step of each record.
    """

    path: Path
    layout: Layout
    steps: Int64[np.ndarray, " records"]
    _coordinates: Int64[np.ndarray, " samples"] | None
    _numbered: PyTree
    _records: UInt8[np.ndarray, "records bytes"]
    _origin: list[np.ndarray | None] | None

    def __repr__(self) -> str:
        num_weights = sum(leaf.size for leaf in self.layout.recorded)
        return (
            f"StoredTrajectory({str(self.path)!r}, records={len(self)}, "
            f"weights={num_weights}, dtype={self.layout.dtype!r})"
        )

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> Any:
        """One record (params, in memory) for an integer, a handle for a slice."""
        if isinstance(index, slice):
            return dataclasses.replace(
                self, steps=self.steps[index], _records=self._records[index]
            )
        number = record_number(index, len(self))
        return self[number : number + 1].load()[0]

    @property
    def template(self) -> PyTree:
        """Shapes and dtypes of one record."""
        return self._unflatten(
            [
                jax.ShapeDtypeStruct(leaf.stored_shape, np.dtype(leaf.dtype))
                for leaf in self.layout.recorded
            ]
        )

    @property
    def coordinates(self) -> PyTree:
        """For a sample: the offsets in each raveled leaf of the network; else None."""
        if self._coordinates is None:
            return None
        sizes = [int(np.prod(leaf.shape)) for leaf in self.layout.leaves]
        parts = split_coordinates(self._coordinates, sizes)
        return self._unflatten([part for part in parts if part is not None])

    def read(
        self, leaf: int, start: int, stop: int
    ) -> Shaped[np.ndarray, "records weights"]:
        """Columns `start:stop` of a leaf, raveled; float leaves as float32.

        A strided view of the map, without a copy, where the store keeps the leaf as
        float32 (or integers); a decoded block otherwise.

        Args:
          leaf: the leaf's number in tree order, among those recorded.
          start: the first offset in the raveled leaf.
          stop: the offset after the last.
        """
        return as_float32(self._decode(leaf, slice(start, stop)))

    def gather(
        self, leaf: int, offsets: Int[ArrayLike, " samples"]
    ) -> Shaped[np.ndarray, "records samples"]:
        """Some columns of a leaf, raveled; float leaves as float32."""
        return as_float32(self._decode(leaf, np.asarray(offsets)))

    def load(self) -> Trajectory:
        """Reads it all into memory; leaves are NumPy arrays in the network's dtypes."""
        leaves = [
            self._decode(number, slice(None))
            .reshape(len(self), *(leaf.stored_shape or ()))
            .astype(np.dtype(leaf.dtype))
            for number, leaf in enumerate(self.layout.recorded)
        ]
        return Trajectory(self._unflatten(leaves), self.steps, self.coordinates)

    def _decode(self, leaf: int, columns: slice | np.ndarray) -> np.ndarray:
        place = self.layout.recorded[leaf]
        stored = self._records[:, place.offset : place.offset + place.num_bytes]
        block = stored.view(np.dtype(place.encoding))[:, columns]
        origin = None if self._origin is None else self._origin[leaf]
        if origin is None:
            return block
        return origin[columns] + block.astype(np.float32)

    def _unflatten(self, recorded: list[Any]) -> PyTree:
        """The network's tree with `recorded` in place of the recorded leaves."""
        remaining = iter(recorded)
        values = [
            None if leaf.stored_shape is None else next(remaining)
            for leaf in self.layout.leaves
        ]
        return jax.tree.map(lambda number: values[number], self._numbered)


def open_stored(
    path: Path, like: Params | None, subtree: str | None, *, verify: bool
) -> StoredTrajectory:
    """Opens the trajectory directory `path`; see `Trajectory.open`."""
    layout = store.read_manifest(path)
    entries = store.read_index(path)
    records = store.map_records(path, layout.record_bytes, len(entries))
    if verify:
        store.verify_records(path, records, entries)
    origin = None
    if layout.dtype == "bfloat16_delta" and len(entries):
        origin = store.map_origin(path, layout, verify=verify)
    coordinates = store.read_coordinates(path, layout)
    if subtree is not None:
        layout, origin, coordinates = _part(path, subtree, layout, origin, coordinates)
    return StoredTrajectory(
        path,
        layout,
        entries["step"].astype(np.int64),
        coordinates,
        _numbered(layout, like, path),
        records,
        origin,
    )


def _part(
    path: Path,
    subtree: str,
    layout: Layout,
    origin: list[np.ndarray | None] | None,
    coordinates: np.ndarray | None,
) -> tuple[Layout, list[np.ndarray | None] | None, np.ndarray | None]:
    """Layout, origin and coordinates of a part of the tree."""
    try:
        kept = trees.leaves_within([leaf.name for leaf in layout.leaves], subtree)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    leaves = [layout.leaves[number] for number in kept]
    if all(leaf.stored_shape is None for leaf in leaves):
        raise ValueError(f"{path} has no records of the subtree {subtree!r}")
    if origin is not None:
        pairs = zip(origin, layout.recorded, strict=True)
        origin = [one for one, leaf in pairs if leaf in leaves]
    if coordinates is not None:
        sizes = np.array([np.prod(leaf.shape) for leaf in layout.leaves], np.int64)
        number, _ = trees.locate(coordinates, sizes)
        coordinates = coordinates[np.isin(number, kept)] - sizes[: kept[0]].sum()
    depth = len(subtree.split("/"))
    part = tuple(leaf._replace(path=leaf.path[depth:]) for leaf in leaves)
    return layout._replace(leaves=part), origin, coordinates


def _numbered(layout: Layout, like: Params | None, path: Path) -> PyTree:
    """The network's tree with the numbers of its leaves in their places."""
    if like is not None:
        check_leaves(layout, like, source="like", owner=str(path))
        numbers = range(len(layout.leaves))
        return jax.tree.unflatten(jax.tree.structure(like), numbers)
    try:
        return rebuild(layout)
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be rebuilt from dicts and lists ({error}): pass the "
            "network's parameters as like"
        ) from error
