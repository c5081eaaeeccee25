"""Writing a trajectory: one append and one flush a record, then its index entry."""

import zlib
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from cmd_jax import files
from cmd_jax.files import Path
from cmd_jax.trajectory import store
from cmd_jax.trajectory.layout import (
    Layout,
    check_leaves,
    make_layout,
    padded,
)
from cmd_jax.trajectory.selection import (
    LeafIndex,
    Select,
    leaf_indices,
    sample_coordinates,
    validate_select,
)
from cmd_jax.types import Key, Params


class TrajectoryWriter:
    """Appends records to a trajectory on disk; a kill at any moment loses at most one.

    Made by `create` or `resume`. Nothing is kept open between two appends.

    Attributes:
      path: the trajectory's directory.
      num_records: records written so far.
      last_step: the step of the last record, -1 before the first.

    Example:
      >>> import pathlib, tempfile
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory, TrajectoryWriter
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "trajectory"
      >>> params = {"kernel": np.ones((2, 3), np.float32)}
      >>> writer = TrajectoryWriter.create(path, params)
      >>> writer.append(0, params)
      >>> writer.append(10, {"kernel": 2 * params["kernel"]})
      >>> Trajectory.open(path).steps.tolist()
      [0, 10]
    """

    def __init__(self, path: Path, layout: Layout, indices: tuple[LeafIndex, ...]):
        self.path = path
        self.num_records = 0
        self.last_step = -1
        self._layout = layout
        self._parts = [
            (number, leaf, indices[number])
            for number, leaf in enumerate(layout.leaves)
            if leaf.stored_shape is not None
        ]
        self._origin: list[np.ndarray | None] = []

    @classmethod
    def create(
        cls,
        path: Path | str,
        like: Params,
        *,
        select: Select = None,
        dtype: str = "float32",
        key: Key | None = None,
    ) -> "TrajectoryWriter":
        """Starts a trajectory in a directory that holds none yet.

        Args:
          path: the directory; made where it does not exist.
          like: the network's parameters, or their shapes and dtypes.
          select: None records all leaves; a glob pattern over the leaves' names, whose
            "*" also spans "/", the leaves it matches; a number that many float weights,
            drawn uniformly.
          dtype: "float32" keeps every leaf in its own dtype, "bfloat16_delta" keeps
            float leaves as bfloat16 differences to the first record, which is kept in
            float32; integers and bools are always kept as they are.
          key: draws the sample, where `select` is a number.

        Returns:
          A writer without records.

        Raises:
          FileExistsError: `path` holds a trajectory.
          TypeError: `select` is neither None, a pattern nor a number, or a leaf holds
            something else than numbers and bools.
          ValueError: the selection is empty or larger than the network, or `dtype` is
            unknown.
        """
        path = Path(path)
        if (path / store.MANIFEST).exists():
            raise FileExistsError(
                f"{path} holds a trajectory already; resume it or choose another path"
            )
        layout, indices, coordinates = _plan(like, select, dtype, key)
        if coordinates is not None:
            store.write_sealed(path / store.COORDINATES, coordinates)
        for name in (store.RECORDS, store.INDEX):
            files.write_atomic(path / name, b"")
        store.write_manifest(path, layout)
        return cls(path, layout, indices)

    @classmethod
    def resume(
        cls,
        path: Path | str,
        like: Params,
        *,
        select: Select = None,
        dtype: str = "float32",
        last_step: int,
    ) -> "TrajectoryWriter":
        """Goes on with a trajectory after `last_step`; later records are cut off.

        Args:
          path: the trajectory's directory.
          like: the network's parameters, or their shapes and dtypes.
          select: as given to `create`; a sample keeps its coordinates.
          dtype: as given to `create`.
          last_step: the step that the run is resumed from; -1 keeps no record.

        Returns:
          A writer with the records up to `last_step`.

        Raises:
          FileNotFoundError: there is nothing at `path`.
          ValueError: it is no trajectory, damaged, of another network, selection or
            dtype.
        """
        path = Path(path)
        validate_select(select)
        layout = store.read_manifest(path)
        wanted, found = {"select": select, "dtype": dtype}, layout._asdict()
        for name, value in wanted.items():
            if found[name] != value:
                raise ValueError(
                    f"{path} was recorded with {name}={found[name]!r}, not {value!r}; "
                    "resume it with the same, or choose another path"
                )
        check_leaves(layout, like, source="the network to resume", owner=str(path))
        coordinates = store.read_coordinates(path, layout)
        writer = cls(path, layout, leaf_indices(like, select, coordinates))
        writer._cut(last_step)
        return writer

    def _cut(self, last_step: int) -> None:
        """Drops the records after `last_step` and what a kill left behind."""
        entries = store.read_index(self.path)
        entries = entries[entries["step"] <= last_step]
        steps, num_records = entries["step"], len(entries)
        records = store.map_records(self.path, self._layout.record_bytes, num_records)
        store.verify_records(self.path, records, entries)
        # The index first: records without an entry do not count, the reverse is damage.
        files.truncate(self.path / store.INDEX, num_records * store.ENTRY.itemsize)
        files.truncate(
            self.path / store.RECORDS, num_records * self._layout.record_bytes
        )
        self.num_records = num_records
        self.last_step = int(steps[-1]) if num_records else -1
        if num_records and self._layout.dtype == "bfloat16_delta":
            self._origin = store.map_origin(self.path, self._layout, verify=True)

    def append(self, step: int, params: Params) -> None:
        """Appends one record.

        Args:
          step: optimizer steps taken when the record was made; larger than the last.
          params: the network's parameters, NumPy or JAX.

        Raises:
          OSError: the disk is full or fails; the trajectory is as it was before.
          ValueError: `step` does not come after the last one, or `params` are those of
            another network.
        """
        if step <= self.last_step:
            raise ValueError(
                f"step={step} does not come after {self.last_step}, the last step of "
                f"{self.path}"
            )
        source = f"the parameters of step {step}"
        check_leaves(self._layout, params, source=source, owner=str(self.path))
        chunks = self._encode(self._select(params))
        records = self.path / store.RECORDS
        # A failed append of an index entry leaves its record behind.
        files.truncate(records, self.num_records * self._layout.record_bytes)
        with ThreadPoolExecutor(1) as pool:  # the checksum costs no time of its own
            crc = pool.submit(_crc, chunks)
            files.append(records, *chunks)
        files.append(self.path / store.INDEX, store.make_entry(step, crc.result()))
        self.num_records += 1
        self.last_step = int(step)

    def _select(self, params: Params) -> list[np.ndarray]:
        """The recorded scalars of each recorded leaf, in the leaf's own dtype."""
        leaves = jax.tree.leaves(params)
        return [
            np.asarray(leaves[number], np.dtype(leaf.dtype)).reshape(-1)[index]
            for number, leaf, index in self._parts
        ]

    def _encode(self, values: list[np.ndarray]) -> list[memoryview]:
        """The bytes of a record: each leaf, then zeros up to the alignment."""
        if self._layout.dtype == "bfloat16_delta":
            values = self._deltas(values)
        chunks = []
        for value in values:
            padding = bytes(padded(value.nbytes) - value.nbytes)
            chunks += [value.view(np.uint8).data, memoryview(padding)]
        return [chunk for chunk in chunks if len(chunk)]

    def _deltas(self, values: list[np.ndarray]) -> list[np.ndarray]:
        if self.num_records == 0:
            self._write_origin(values)
        bfloat16 = np.dtype("bfloat16")
        return [
            value
            if origin is None
            else (value.astype(np.float32) - origin).astype(bfloat16)
            for value, origin in zip(values, self._origin, strict=True)
        ]

    def _write_origin(self, values: list[np.ndarray]) -> None:
        self._origin = [
            value.astype(np.float32) if leaf.is_float else None
            for value, (_, leaf, _) in zip(values, self._parts, strict=True)
        ]
        origins = [origin for origin in self._origin if origin is not None]
        flat = np.concatenate([np.empty(0, np.float32), *origins])
        store.write_sealed(self.path / store.ORIGIN, flat)


def _crc(chunks: list[memoryview]) -> int:
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
    return crc


def record_bytes(like: Params, *, select: Select = None, dtype: str = "float32") -> int:
    """Bytes of one record on the disk; refuses what `TrajectoryWriter.create` would.

    Args:
      like: the network's parameters, or their shapes and dtypes.
      select: as given to `TrajectoryWriter.create`.
      dtype: likewise.

    Raises:
      TypeError, ValueError: as `TrajectoryWriter.create`.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import record_bytes
      >>> record_bytes({"kernel": np.ones(32, np.float32)})
      128
    """
    layout, _, _ = _plan(like, select, dtype, jax.random.key(0))
    return layout.record_bytes


def _plan(
    like: Params, select: Select, dtype: str, key: Key | None
) -> tuple[Layout, tuple[LeafIndex, ...], np.ndarray | None]:
    """The layout of a record, each leaf's recorded part, the sampled coordinates."""
    validate_select(select)
    coordinates = None
    if isinstance(select, int):
        coordinates = sample_coordinates(like, select, key=key)
    indices = leaf_indices(like, select, coordinates)
    layout = make_layout(like, indices, select=select, dtype=dtype)
    return layout, indices, coordinates
