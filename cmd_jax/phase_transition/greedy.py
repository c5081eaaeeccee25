"""Greedy learning of a sparse teacher with discrete weights, many replicas at once.

Each sweep takes a fresh mini-batch of m patterns and visits all weights of both layers
in random order: a weight is flipped unless more outputs would be wrong on the batch.
The weights of a slot and colour class do not interact, so they are visited together;
these sub-steps are drawn in a new order each sweep, with both layers interleaved. That
is a sequential sweep in another order. (Layer by layer it would be another algorithm,
with other errors.)

Patterns are bits, 32 in a word. Arrays are [replicas, classes, slots, words, size].
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt32

from cmd_jax import rng
from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.arrangement import (
    Arrangement,
    Weights,
    arrange,
    to_classes,
)
from cmd_jax.phase_transition.coloured_sweep import (
    Places,
    forward,
    locate,
    make_fence,
    order_of_substeps,
    sweep,
)
from cmd_jax.phase_transition.colouring import Classes, colour_classes
from cmd_jax.phase_transition.graphs import check_degree
from cmd_jax.phase_transition.model import Test, Tested, Train, measured_bytes
from cmd_jax.phase_transition.patterns import (
    check_training_set,
    draw_batches,
    fresh_patterns,
)
from cmd_jax.phase_transition.sign_network import (
    SignNetwork,
    check_odd,
    check_start,
    first_student,
    sparse_network,
)
from cmd_jax.types import Array, ArrayLike, Key, PyTree


class Problem(NamedTuple):
    """What stays the same of all replicas.

    Attributes:
      arrangement: of each replica's graphs.
      teacher: the weights to be found.
      valid: ones for the patterns of the replica's mini-batch.
      examples: the key of the replica's training set.
    """

    arrangement: Arrangement
    teacher: Weights
    valid: UInt32[ArrayLike, "replicas words"]
    examples: Array


class SparseDiscrete(NamedTuple):
    """The model `sparse_discrete`: N inputs, hidden units and outputs, degree d.

    Attributes:
      num_units: N.
      degree: d, odd.
      start: the student's weights: "random", or the "teacher"'s, for hysteresis.
      strict: accept only flips that lower the number of wrong outputs; else ties too.
      learn_second: learn both layers; else the second is the teacher's.
      num_examples: size of a finite training set; 0: every batch is fresh.
      replacement: batches are drawn from it with replacement.
      num_test: fresh patterns of a test.
      tolerance: an error up to which a replica counts as having passed.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition
      >>> model = phase_transition.SparseDiscrete(num_units=30, degree=3)
      >>> diagram = phase_transition.sweep(
      ...     model, batch_sizes=(4, 32), num_seeds=2, key=jax.random.key(0),
      ...     num_sweeps=400,
      ... )
      >>> diagram.success.tolist()
      [0.0, 1.0]
    """

    num_units: int
    degree: int
    start: str = "random"
    strict: bool = False
    learn_second: bool = True
    num_examples: int = 0
    replacement: bool = True
    num_test: int = 1000
    tolerance: float = 0.0

    def problem(
        self, batch_sizes: Sequence[int], keys: Sequence[Key]
    ) -> tuple[Problem, Weights]:
        """Draws every replica's graphs, teacher and student."""
        self.check(max(batch_sizes))
        teachers = [
            sparse_network(self.num_units, self.degree, key=key) for key in keys
        ]
        students = [
            first_student(
                teacher, start=self.start, learn_second=self.learn_second, key=key
            )
            for teacher, key in zip(teachers, keys, strict=True)
        ]
        classes = colour_classes([teacher.hidden for teacher in teachers])
        arranged = [arrange(*pair) for pair in zip(teachers, classes, strict=True)]
        num_words = bits.num_words(max(batch_sizes))
        problem = Problem(
            arrangement=_stack(arranged),
            teacher=_in_classes(teachers, classes),
            valid=np.stack([bits.valid(m, num_words) for m in batch_sizes]),
            examples=jnp.stack([rng.stream(key, "examples") for key in keys]),
        )
        return problem, _in_classes(students, classes)

    def check(self, batch_size: int) -> None:
        """Refuses sizes that no network or mini-batch can have.

        Raises:
          ValueError: names the value and what is allowed.
        """
        check_odd("degree", self.degree)
        check_degree(self.num_units, self.degree)
        check_start(self.start)
        check_training_set(
            self.num_examples, replacement=self.replacement, batch_size=batch_size
        )

    def replica_bytes(self, batch_size: int) -> int:
        """The memory that one replica takes while it learns."""
        return measured_bytes(self, batch_size)

    def bind(self, problem: Problem) -> tuple[Train, Test]:
        """A sweep and a test of these replicas; see `Model`."""
        num_words = problem.valid.shape[1]
        places = locate(problem.arrangement, num_words=num_words)
        num_classes = places.inputs.shape[1]
        num_rows = 2 * self.degree if self.learn_second else self.degree

        def train(state: Weights, keys: Array, key: Key) -> Weights:
            return sweep(
                places,
                problem.teacher,
                state,
                draw_batches(
                    problem.examples,
                    keys,
                    num_units=self.num_units,
                    num_words=num_words,
                    num_examples=self.num_examples,
                    replacement=self.replacement,
                ),
                problem.valid,
                order_of_substeps(num_classes, num_rows, key=key),
                strict=self.strict,
            )

        def test(state: Weights, keys: Array) -> Tested:
            error = self._error(problem, places, state, keys)
            return Tested(error, _overlap(problem, state))

        return train, test

    def _error(
        self, problem: Problem, places: Places, state: Weights, keys: Array
    ) -> Float32[Array, " replicas"]:
        """The fraction of wrong output bits on fresh patterns."""
        num_words = problem.valid.shape[1]
        fence = make_fence(problem.valid)
        rounds = -(-bits.num_words(self.num_test) // num_words)
        valid = bits.valid(self.num_test, rounds * num_words).reshape(rounds, num_words)

        def fresh(key: Key) -> Array:
            return fresh_patterns(self.num_units, num_words, key=key)

        def count(wrong: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
            number, valid = part
            patterns = jax.vmap(lambda key: fresh(jax.random.fold_in(key, number)))(
                keys
            )
            teacher, student = (
                forward(places, weights, patterns, fence)
                for weights in (problem.teacher, state)
            )
            differ = (teacher ^ student) & valid[None, :, None]
            return wrong + bits.count(differ).sum(axis=(1, 2)), None

        wrong = jnp.zeros(len(keys), jnp.int32)
        wrong, _ = jax.lax.scan(count, wrong, (jnp.arange(rounds), jnp.asarray(valid)))
        return wrong / (self.num_test * self.num_units)


def _overlap(problem: Problem, student: Weights) -> Float32[Array, " replicas"]:
    """Q of `path_overlap`: paths that share a hidden unit factor."""
    degree = student.first.shape[2]

    def agreement(one: Array, other: Array) -> Array:
        """Each unit's sum over its slots of the products of signs."""
        differ = ((one ^ other) & 1).astype(jnp.int32)
        return degree - 2 * differ.sum(axis=2)

    first, second = jax.tree.map(agreement, problem.teacher, student)
    real = problem.arrangement.real
    paths = real.sum(axis=(1, 2)) * degree**2
    return (first * second * real).sum(axis=(1, 2)) / paths


def _in_classes(networks: Sequence[SignNetwork], classes: Sequence[Classes]) -> Weights:
    return _stack([to_classes(*pair) for pair in zip(networks, classes, strict=True)])


def _stack(trees: Sequence[PyTree]) -> PyTree:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
