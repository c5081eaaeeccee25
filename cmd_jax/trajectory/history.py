"""The history of a network's parameters, in memory.

Record 0 of a recorded run is its initialisation, at step 0.
"""

import dataclasses
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Int64, Shaped

from cmd_jax import trees
from cmd_jax.files import Path
from cmd_jax.trajectory.layout import check_leaves, make_layout
from cmd_jax.trajectory.selection import leaf_indices
from cmd_jax.types import ArrayLike, Params, PyTree

if TYPE_CHECKING:
    from cmd_jax.trajectory.stored import StoredTrajectory


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory:
    """Records of parameters in memory, time-major; a pytree.

    `params` are its children; `steps` and `coordinates` are static under `jax.jit`.

    Attributes:
      params: the parameters with a leading axis, leaves [records, ...], NumPy or JAX.
      steps: the optimizer step of each record.
      coordinates: for a sample of weights, their offsets in each raveled leaf of the
        network (a pytree like `params`, int64); else None.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory
      >>> records = [{"kernel": np.full((2, 3), t, np.float32)} for t in range(4)]
      >>> trajectory = Trajectory.stack(records, steps=[0, 10, 20, 30])
      >>> len(trajectory), trajectory[1:].steps.tolist()
      (4, [10, 20, 30])
      >>> trajectory[2]["kernel"].shape, trajectory.read(0, 1, 3).shape
      ((2, 3), (4, 2))
    """

    params: Params
    steps: Int64[np.ndarray, " records"]
    coordinates: PyTree = None

    @classmethod
    def stack(
        cls, list_of_params: Iterable[Params], steps: Iterable[Any] | None = None
    ) -> "Trajectory":
        """Stacks records, in time order.

        Args:
          list_of_params: pytrees of NumPy or JAX arrays, all of one structure.
          steps: the optimizer step of each, increasing; 0, 1, 2, ... by default.

        Raises:
          ValueError: there are no records, one differs in structure, shape or dtype
            (the message names the leaf and the record), or the steps do not fit.
        """
        records = list(list_of_params)
        if not records:
            raise ValueError("there are no records to stack: give at least one")
        _check_records(records)
        numbers = np.array(range(len(records)) if steps is None else list(steps))
        if numbers.shape != (len(records),) or numbers.dtype.kind not in "iu":
            raise ValueError(
                f"steps={numbers.tolist()}: allowed is one integer for each of the "
                f"{len(records)} records"
            )
        if np.any(np.diff(numbers) <= 0):
            raise ValueError(f"steps={numbers.tolist()} do not increase")
        return cls(jax.tree.map(_stack, *records), numbers.astype(np.int64))

    @staticmethod
    def open(
        path: Path | str,
        like: Params | None = None,
        subtree: str | None = None,
        verify: bool = True,
    ) -> "StoredTrajectory":
        """Opens a recorded trajectory, or another's checkpoints, never all in memory.

        A directory that a `TrajectoryWriter` made is mapped. A folder with one
        checkpoint a record is copied into such a directory first, record by record: a
        temporary one (in `TMPDIR`, else `/var/tmp`) that is gone when the handle is;
        `convert` keeps it.
        A checkpoint is one that Orbax saved (by any of its APIs), or a `.safetensors`
        or `.npz` file of named arrays: names with a "/" are split there to nested
        dicts, others at ".", as PyTorch writes them (`layer1.0.weight`).

        Checkpoints are taken in the natural order of their names (`epoch_2` before
        `epoch_10`). The steps are the last numbers in the names where these increase,
        else 0, 1, 2, ...

        Args:
          path: the directory.
          like: the network's parameters, or their shapes and dtypes. They are compared
            with the recorded ones, and their node types (NamedTuples, dataclasses, ...)
            are those of the records; without it records are nested dicts and lists.
          subtree: the part of each record to take, such as "params" or
            "opt_state/0/mu"; `like` is then like that part. Where an Orbax checkpoint
            holds several trees, it begins with the name of one.
          verify: whether to compare every record with its checksum (reads all of it).
            Copies are not read again; `.safetensors` files have no checksums.

        Raises:
          FileNotFoundError: there is nothing at `path`.
          OSError: a copy does not fit on the disk.
          TypeError: something in a checkpoint is neither a number nor a bool.
          ValueError: it is no trajectory and no folder of checkpoints of one kind;
            truncated, damaged, of an unfinished save, or of another network than
            `like` or the first record; there is no such subtree. The message names the
            file and the record or leaf. Nothing is ever unpickled.

        Example:
          >>> import pathlib, tempfile
          >>> import numpy as np
          >>> from cmd_jax.trajectory import Trajectory
          >>> folder = pathlib.Path(tempfile.mkdtemp())
          >>> for epoch in (2, 10):
          ...     values = np.full((3, 2), epoch, np.float32)
          ...     np.savez(folder / f"epoch_{epoch}.npz", **{"layer1.0.weight": values})
          >>> trajectory = Trajectory.open(folder)
          >>> trajectory.steps.tolist(), trajectory[0]["layer1"]["0"]["weight"].shape
          ([2, 10], (3, 2))
        """
        # Handles load into this class, so their files import this one.
        from cmd_jax.trajectory.foreign import open_any

        return open_any(Path(path), like, subtree, verify=verify)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> Any:
        """One record (params) for an integer, a Trajectory for a slice."""
        part = index if isinstance(index, slice) else record_number(index, len(self))
        params = jax.tree.map(lambda leaf: leaf[part, ...], self.params)
        if not isinstance(index, slice):
            return params
        return dataclasses.replace(self, params=params, steps=self.steps[index])

    @property
    def template(self) -> PyTree:
        """Shapes and dtypes of one record."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.params
        )

    def read(
        self, leaf: int, start: int, stop: int
    ) -> Shaped[ArrayLike, "records weights"]:
        """Columns `start:stop` of a leaf, raveled; float leaves as float32.

        Args:
          leaf: the leaf's number in tree order.
          start: the first offset in the raveled leaf.
          stop: the offset after the last.
        """
        return as_float32(self._flat(leaf)[:, start:stop])

    def gather(
        self, leaf: int, offsets: Int[ArrayLike, " samples"]
    ) -> Shaped[ArrayLike, "records samples"]:
        """Some columns of a leaf, raveled; float leaves as float32."""
        return as_float32(self._flat(leaf)[:, offsets])

    def _flat(self, leaf: int) -> Any:
        values = jax.tree.leaves(self.params)[leaf]
        return values.reshape(len(self), int(np.prod(values.shape[1:])))

    def load(self) -> "Trajectory":
        """This trajectory: it is in memory."""
        return self


def as_float32(block: Any) -> Any:
    """The block, float leaves as float32; without a copy where they are."""
    if block.dtype == np.float32 or not trees.is_float(block):
        return block
    return block.astype(np.float32)


def record_number(index: Any, num_records: int) -> int:
    """The number of a record, counted from the first also where `index` is negative."""
    number = operator.index(index)
    if not -num_records <= number < num_records:
        raise IndexError(f"record {number} of a trajectory of {num_records} records")
    return number % num_records


def _check_records(records: list[Params]) -> None:
    structure = jax.tree.structure(records[0])
    indices = leaf_indices(records[0], None)
    layout = make_layout(records[0], indices, select=None, dtype="float32")
    for number, record in enumerate(records[1:], start=1):
        check_leaves(layout, record, source=f"record {number}", owner="record 0")
        if jax.tree.structure(record) != structure:
            raise ValueError(
                f"record {number} has the structure {jax.tree.structure(record)}, "
                f"record 0 {structure}: give all records the same node types"
            )


def _stack(*leaves: ArrayLike) -> ArrayLike:
    module = jnp if all(isinstance(leaf, jax.Array) for leaf in leaves) else np
    return module.stack(leaves)


class _Labels:
    """What of a trajectory is static: compared by value, hashed by the steps."""

    def __init__(self, steps: np.ndarray, coordinates: PyTree):
        self.steps = steps
        self.coordinates = coordinates

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Labels):
            return NotImplemented
        mine, structure = jax.tree.flatten((self.steps, self.coordinates))
        theirs, other_structure = jax.tree.flatten((other.steps, other.coordinates))
        return structure == other_structure and all(map(np.array_equal, mine, theirs))

    def __hash__(self) -> int:
        return hash(self.steps.tobytes())


def _flatten(trajectory: Trajectory) -> tuple[Any, _Labels]:
    key = jax.tree_util.GetAttrKey("params")
    labels = _Labels(trajectory.steps, trajectory.coordinates)
    return ((key, trajectory.params),), labels


def _unflatten(labels: _Labels, children: Any) -> Trajectory:
    return Trajectory(children[0], labels.steps, labels.coordinates)


jax.tree_util.register_pytree_with_keys(Trajectory, _flatten, _unflatten)
