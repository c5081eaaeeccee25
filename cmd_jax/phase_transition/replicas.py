"""All replicas of a phase diagram as one compiled program.

A replica is one mini-batch size with one seed: its own graph, teacher, student and
patterns. They lie along the first axis of every array, padded to the largest mini-batch
and masked, and are shared out over the devices, which exchange nothing. The program is
a chunk of sweeps, called until every replica is done.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Bool, Float32, Int32

from cmd_jax import host, rng, sharding
from cmd_jax.phase_transition.budget import Budget, check_batch_sizes, check_budget
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.model import Model, Tested
from cmd_jax.types import Array, Key, PyTree


class Progress(NamedTuple):
    """Where all replicas are: what a checkpoint holds.

    Attributes:
      state: what is learned.
      sweep: sweeps done.
      passed: whether the error has been within the model's tolerance.
      error: by first passage, as in `Diagram`.
      num_sweeps: until it passed, or up to now.
      overlap: at the same time as the error.
      late_error: the sum of the errors tested in the second half of the sweeps.
    """

    state: PyTree
    sweep: Int32[Array, ""]
    passed: Bool[Array, " replicas"]
    error: Float32[Array, " replicas"]
    num_sweeps: Int32[Array, " replicas"]
    overlap: Float32[Array, " replicas"]
    late_error: Float32[Array, " replicas"]


def sweep(
    model: Model,
    *,
    batch_sizes: Sequence[int],
    num_seeds: int,
    num_sweeps: int = 2000,
    test_every: int = 50,
    stationary: bool = False,
    progress: Callable[[int, int], None] | None = None,
    key: Key,
) -> Diagram:
    """Trains all mini-batch sizes times seeds of a model, until all are done.

    Args:
      model: a teacher-student problem, such as `SparseDiscrete`.
      batch_sizes: m, ascending.
      num_seeds: replicas of each, with their own graphs and teachers.
      num_sweeps: at most so many, a multiple of twice `test_every`.
      test_every: sweeps between two tests.
      stationary: train all to the end, and measure the stationary error too.
      progress: called with the sweeps done and the replicas that have passed.
      key: the root of all randomness.

    Returns:
      Errors, passages, overlaps of points x seeds.

    Raises:
      ValueError: a size is impossible.

    Example:
      See `SparseDiscrete`.
    """
    seeds = [rng.stream(key, "seed", number) for number in range(num_seeds)]
    budget = Budget(num_sweeps, test_every, stationary)
    replicas = Sweep(model, batch_sizes, seeds, budget)
    state = replicas.start()
    while not replicas.done(state):
        state = replicas.advance(state)
        if progress is not None:
            progress(int(host.fetch(state.sweep)), replicas.num_passed(state))
    return replicas.diagram(state)


class Sweep:
    """The replicas of one diagram on the devices.

    Args:
      model: what they are.
      batch_sizes: m of each point, ascending.
      seeds: a key for each seed.
      budget: how long they train.
      num_devices: that share the replicas; None for all.

    Raises:
      ValueError: a size is impossible; the message says which are allowed.
    """

    def __init__(
        self,
        model: Model,
        batch_sizes: Sequence[int],
        seeds: Sequence[Key],
        budget: Budget,
        num_devices: int | None = None,
    ):
        check_batch_sizes(batch_sizes)
        check_budget(budget)
        self.budget = budget
        self._model, self._seeds = model, list(seeds)
        self._batch_sizes = np.array(batch_sizes, np.int32)
        self._mesh = sharding.make_mesh(num_devices)
        each = [m for m in batch_sizes for _ in seeds]
        keys = [
            rng.stream(key, "replica", m) for m in batch_sizes for key in self._seeds
        ]
        self._num_replicas = len(each)
        spare = -len(each) % self._mesh.size  # copies of the first fill the last device
        problem, state = model.problem(each + each[:1] * spare, keys + keys[:1] * spare)
        keys = jnp.stack([rng.stream(key, "sweeps") for key in keys + keys[:1] * spare])
        replicas = sharding.split(self._mesh)
        self._problem, self._keys = sharding.place((problem, keys), replicas)
        self._initial_state = state
        self._chunk = self._compile()

    def start(self) -> Progress:
        """Before the first sweep."""
        size = len(self._keys)
        progress = Progress(  # no two of one buffer: each is donated
            state=self._initial_state,
            sweep=jnp.zeros((), jnp.int32),
            passed=jnp.zeros(size, bool),
            error=jnp.zeros(size),
            num_sweeps=jnp.zeros(size, jnp.int32),
            overlap=jnp.zeros(size),
            late_error=jnp.zeros(size),
        )
        return self._place(progress)

    def _place(self, progress: Progress) -> Progress:
        replicas = sharding.split(self._mesh)
        placed = sharding.place(progress._replace(sweep=None), replicas)
        whole = sharding.replicated(self._mesh)
        return placed._replace(sweep=sharding.place(progress.sweep, whole))

    def advance(self, progress: Progress) -> Progress:
        """The next chunk of sweeps; the given progress is used up."""
        return self._chunk(self._problem, self._keys, progress)

    def done(self, progress: Progress) -> bool:
        """Whether no replica has anything left to do."""
        sweep, passed = host.fetch((progress.sweep, progress.passed))
        if int(sweep) >= self.budget.num_sweeps:
            return True
        return bool(passed.all()) and not self.budget.stationary

    def num_passed(self, progress: Progress) -> int:
        """How many replicas have passed."""
        return int(host.fetch(progress.passed)[: self._num_replicas].sum())

    @property
    def num_replicas(self) -> int:
        """Points times seeds."""
        return self._num_replicas

    @property
    def num_devices(self) -> int:
        """That share the replicas."""
        return self._mesh.size

    def diagram(self, progress: Progress) -> Diagram:
        """What has become of the replicas."""
        found = host.fetch(progress._replace(state=None))

        def table(values: np.ndarray) -> np.ndarray:
            shape = len(self._batch_sizes), len(self._seeds)
            return values[: self._num_replicas].reshape(shape)

        late = table(found.late_error) / max(self._num_late(int(found.sweep)), 1)
        return Diagram(
            batch_sizes=self._batch_sizes,
            error=table(found.error),
            stationary_error=late
            if self.budget.stationary
            else np.full_like(late, np.nan),
            passed=table(found.passed),
            num_sweeps=table(found.num_sweeps),
            overlap=table(found.overlap),
            num_units=self._model.num_units,
            degree=self._model.degree,
            start=self._model.start,
        )

    def _num_late(self, sweep: int) -> int:
        """Tests in the second half of the budget, up to a sweep."""
        every = self.budget.test_every
        return sweep // every - self.budget.num_sweeps // 2 // every

    def _compile(self) -> Callable[[PyTree, Array, Progress], Progress]:
        replicas, whole = PartitionSpec(sharding.AXIS), PartitionSpec()
        progress = Progress._make([replicas] * len(Progress._fields))._replace(
            sweep=whole
        )
        chunk = jax.shard_map(
            self._run_chunk,
            mesh=self._mesh,
            in_specs=(replicas, replicas, progress),
            out_specs=progress,
            check_vma=False,  # the order of sub-steps is drawn alike on every device
        )
        return jax.jit(chunk, donate_argnums=2)

    def _run_chunk(self, problem: PyTree, keys: Array, progress: Progress) -> Progress:
        train, test = self._model.bind(problem)
        every = self.budget.test_every

        def step(offset: Array, progress: Progress) -> Progress:
            return progress._replace(
                state=train(
                    progress.state,
                    _fold(keys, "train", progress.sweep + offset),
                    rng.stream(jax.random.key(0), "order", progress.sweep + offset),
                )
            )

        def between_tests(progress: Progress, _: None) -> tuple[Progress, None]:
            progress = jax.lax.fori_loop(0, every, step, progress)
            sweep = progress.sweep + every
            tested = test(progress.state, _fold(keys, "test", sweep))
            return self._after(progress._replace(sweep=sweep), tested), None

        return jax.lax.scan(between_tests, progress, length=self.budget.chunk_tests)[0]

    def _after(self, progress: Progress, tested: Tested) -> Progress:
        """The records after a test; those of a replica that passed stay."""
        over = progress.sweep > self.budget.num_sweeps
        stay = progress.passed | over
        passes = tested.error <= self._model.tolerance
        late = (2 * progress.sweep > self.budget.num_sweeps) & ~over
        return progress._replace(
            passed=progress.passed | (passes & ~over),
            error=jnp.where(stay, progress.error, jnp.where(passes, 0.0, tested.error)),
            num_sweeps=jnp.where(stay, progress.num_sweeps, progress.sweep),
            overlap=jnp.where(stay, progress.overlap, tested.overlap),
            late_error=progress.late_error + jnp.where(late, tested.error, 0.0),
        )


def _fold(keys: Array, name: str, index: Array) -> Array:
    """A stream of each replica's own key."""
    return jax.vmap(lambda key: rng.stream(key, name, index))(keys)
