"""Greedy learning of a committee: all hidden units vote for one output.

The second layer is given, all its weights are +1; the first is learned. As every hidden
unit acts on the one output, weights are visited one after another, in a new random
order each sweep. The votes of each pattern are counted bit by bit, 32 patterns in a
word, with a count that starts so high that its highest bit is the output.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int32, UInt32

from cmd_jax import rng
from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.graphs import check_degree
from cmd_jax.phase_transition.model import Test, Tested, Train, measured_bytes
from cmd_jax.phase_transition.patterns import (
    Patterns,
    check_training_set,
    draw_batches,
    fresh_patterns,
)
from cmd_jax.phase_transition.sign_network import (
    check_odd,
    check_start,
    committee,
    first_student,
)
from cmd_jax.types import Array, ArrayLike, Key

First = UInt32[ArrayLike, "replicas hidden degree"]
Slots = UInt32[Array, "replicas hidden degree words"]
Planes = list[UInt32[Array, "replicas words"]]


class CommitteeProblem(NamedTuple):
    """What stays the same of all replicas; weights are words of equal bits."""

    inputs: Int32[ArrayLike, "replicas hidden degree"]
    teacher: First
    valid: UInt32[ArrayLike, "replicas words"]
    examples: Array


class CommitteeDiscrete(NamedTuple):
    """The model `committee_discrete`: H hidden units of degree d, one output.

    Attributes:
      num_hidden: H, odd.
      degree: d, odd.
      graph: "tree", N = H d inputs that no two units share; "regular", N = H.
      start: "random" or "teacher".
      strict: accept only flips that lower the number of wrong outputs; else ties too.
      num_examples: size of a finite training set; 0: every batch is fresh.
      replacement: batches are drawn from it with replacement.
      num_test: fresh patterns of a test.
      tolerance: an error up to which a replica counts as having passed.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition
      >>> model = phase_transition.CommitteeDiscrete(num_hidden=3, degree=3)
      >>> diagram = phase_transition.sweep(
      ...     model, batch_sizes=(1, 64), num_seeds=2, key=jax.random.key(0),
      ...     num_sweeps=100,
      ... )
      >>> diagram.success.tolist()
      [0.0, 1.0]
    """

    num_hidden: int
    degree: int
    graph: str = "tree"
    start: str = "random"
    strict: bool = False
    num_examples: int = 0
    replacement: bool = True
    num_test: int = 1000
    tolerance: float = 0.0

    @property
    def num_units(self) -> int:
        """N."""
        return self.num_hidden * (self.degree if self.graph == "tree" else 1)

    def problem(
        self, batch_sizes: Sequence[int], keys: Sequence[Key]
    ) -> tuple[CommitteeProblem, First]:
        """Draws every replica's graph, teacher and student."""
        self.check(max(batch_sizes))
        teachers = [
            committee(self.num_hidden, self.degree, graph=self.graph, key=key)
            for key in keys
        ]
        students = [
            first_student(teacher, start=self.start, learn_second=False, key=key)
            for teacher, key in zip(teachers, keys, strict=True)
        ]
        num_words = bits.num_words(max(batch_sizes))
        problem = CommitteeProblem(
            inputs=np.stack([teacher.inputs for teacher in teachers]),
            teacher=bits.to_bits(np.stack([teacher.first for teacher in teachers])),
            valid=np.stack([bits.valid(m, num_words) for m in batch_sizes]),
            examples=jnp.stack([rng.stream(key, "examples") for key in keys]),
        )
        return problem, bits.to_bits(np.stack([student.first for student in students]))

    def check(self, batch_size: int) -> None:
        """Refuses sizes that no network or mini-batch can have.

        Raises:
          ValueError: names the value and what is allowed.
        """
        check_odd("num_hidden", self.num_hidden)
        check_odd("degree", self.degree)
        check_degree(self.num_units, self.degree)
        check_start(self.start)
        check_training_set(
            self.num_examples, replacement=self.replacement, batch_size=batch_size
        )

    def replica_bytes(self, batch_size: int) -> int:
        """The memory that one replica takes while it learns."""
        return measured_bytes(self, batch_size)

    def bind(self, problem: CommitteeProblem) -> tuple[Train, Test]:
        """A sweep and a test of these replicas; see `Model`."""
        num_words = problem.valid.shape[1]

        def train(state: First, keys: Array, key: Key) -> First:
            patterns = draw_batches(
                problem.examples,
                keys,
                num_units=self.num_units,
                num_words=num_words,
                num_examples=self.num_examples,
                replacement=self.replacement,
            )
            number = jax.random.permutation(key, self.num_hidden * self.degree)
            order = jnp.stack(jnp.divmod(number, self.degree), axis=1)
            return sweep_committee(problem, state, patterns, order, strict=self.strict)

        def test(state: First, keys: Array) -> Tested:
            length = bits.num_words(self.num_test)
            patterns = jax.vmap(
                lambda key: fresh_patterns(self.num_units, length, key=key)
            )(keys)
            differ = vote(problem.inputs, state, patterns) ^ vote(
                problem.inputs, problem.teacher, patterns
            )
            wrong = bits.count(differ & bits.valid(self.num_test, length)[None]).sum(
                axis=1
            )
            return Tested(wrong / self.num_test, _overlap(problem.teacher, state))

        return train, test


def vote(
    inputs: Int32[ArrayLike, "replicas hidden degree"], first: First, patterns: Patterns
) -> UInt32[Array, "replicas words"]:
    """The output of every replica's committee."""
    return _count(_slots(inputs, first, patterns))[-1]


def sweep_committee(
    problem: CommitteeProblem,
    student: First,
    patterns: Patterns,
    order: Int32[Array, "substeps two"],
    *,
    strict: bool,
) -> First:
    """Visits the weights once; flips those that make no more outputs wrong.

    Args:
      problem: graphs, teachers, and which patterns count.
      student: learns.
      patterns: of the mini-batches.
      order: hidden units and slots to visit, one after another.
      strict: flip only what makes fewer outputs wrong.

    Returns:
      The student afterwards.
    """
    degree = student.shape[2]
    target = vote(problem.inputs, problem.teacher, patterns)
    limit = 0 if strict else 1

    def visit(
        state: tuple[Slots, Planes, First], step: Int32[Array, " two"]
    ) -> tuple[tuple[Slots, Planes, First], None]:
        slots, planes, first = state
        unit, slot = step[0], step[1]
        words = jax.lax.dynamic_index_in_dim(slots, unit, 1, keepdims=False)
        others = [_at(words, (slot + i) % degree) for i in range(1, degree)]
        hidden = bits.majority([*others, _at(words, slot)])
        flips = bits.compare(others)[1]
        turned = flips & _decisive(planes, hidden) & problem.valid
        wrong = planes[-1] ^ target
        change = bits.count(turned) - 2 * bits.count(turned & wrong)
        accepted = -(change.sum(axis=1) < limit).astype(jnp.uint32)
        flips = flips & accepted[:, None]
        planes = _add(_subtract(planes, flips & hidden), flips & ~hidden)
        return (
            _turn(slots, accepted, unit, slot),
            planes,
            _turn(first, accepted, unit, slot),
        ), None

    slots = _slots(problem.inputs, student, patterns)
    state = slots, _count(slots), student
    (_, _, student), _ = jax.lax.scan(visit, state, order)
    return student


def _slots(inputs: ArrayLike, first: First, patterns: Patterns) -> Slots:
    """Weights times inputs."""
    replicas, hidden, degree = inputs.shape
    by_input = jnp.swapaxes(patterns, 1, 2)
    taken = jnp.take_along_axis(by_input, inputs.reshape(replicas, -1, 1), axis=1)
    return taken.reshape(replicas, hidden, degree, -1) ^ first[..., None]


def _at(words: Array, slot: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(words, slot, 1, keepdims=False)


def _turn(values: ArrayLike, words: Array, unit: Array, slot: Array) -> Array:
    """Turns one slot of one unit in every replica."""
    zero = jnp.zeros_like(unit)
    place = (zero, unit, slot, zero)[: values.ndim]
    shape = (len(values), 1, 1, *values.shape[3:])
    block = jax.lax.dynamic_slice(values, place, shape)
    words = words.reshape(-1, *[1] * (values.ndim - 1))
    return jax.lax.dynamic_update_slice(values, block ^ words, place)


def _count(slots: Slots) -> Planes:
    """The hidden units that are -1, plus a start; the last plane is the majority."""
    num_hidden, degree = slots.shape[1], slots.shape[2]
    majority = (num_hidden + 1) // 2
    num_planes = (majority - 1).bit_length()  # 2^num_planes >= majority
    start = (1 << num_planes) - majority
    zeros = jnp.zeros_like(slots[:, 0, 0])
    planes = [~zeros if start >> i & 1 else zeros for i in range(num_planes + 1)]
    units = jnp.moveaxis(
        bits.majority([slots[:, :, slot] for slot in range(degree)]), 1, 0
    )
    planes, _ = jax.lax.scan(lambda sum, unit: (_add(sum, unit), None), planes, units)
    return planes


def _add(planes: Planes, carry: Array) -> Planes:
    """Counts up where `carry` is one."""
    counted = []
    for plane in planes:
        counted.append(plane ^ carry)
        carry = plane & carry
    return counted


def _subtract(planes: Planes, borrow: Array) -> Planes:
    """Counts down where `borrow` is one."""
    counted = []
    for plane in planes:
        counted.append(plane ^ borrow)
        borrow = ~plane & borrow
    return counted


def _decisive(planes: Planes, hidden: Array) -> Array:
    """Where the output would turn if the hidden unit did: all others are tied."""
    *rest, majority = planes
    lowest, highest = ~majority, majority
    for plane in rest:
        lowest, highest = lowest & plane, highest & ~plane
    # One vote short of the majority, or just enough.
    return (lowest & ~hidden) | (highest & hidden)


def _overlap(teacher: First, student: First) -> Float32[Array, " replicas"]:
    """Q of `path_overlap`; the second layers are equal."""
    differ = ((teacher ^ student) & 1).astype(jnp.float32)
    return 1 - 2 * differ.mean(axis=(1, 2))
