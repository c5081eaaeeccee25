"""A greedy sweep over sparse sign networks in colour classes, all replicas at once.

Arrays are [replicas, classes, rows, words, size], so that a sub-step reads and writes
the block of one class. Of the 2 d rows of a class the first d are slots (weight times
input), the others edges (weight times hidden unit). Only the gather of a unit's
siblings leaves the block, and it stays within the few kB of one replica.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32, Integer, UInt32

from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.arrangement import Arrangement, Weights
from cmd_jax.phase_transition.patterns import Patterns
from cmd_jax.types import Array, ArrayLike, Key

_ONES = np.uint32(0xFFFFFFFF)

Rows = UInt32[Array, "replicas classes rows words size"]
Outputs = UInt32[Array, "replicas words outputs"]

Fence = Callable[[Callable[[], Array]], Array]
"""Computes what a function gives, once; see `make_fence`."""


class Places(NamedTuple):
    """An arrangement's places as flat indices into one replica's arrays, first word.

    Attributes:
      inputs: of each slot, in patterns.
      siblings: of each edge, in rows of slots and edges.
      votes: of each output, in edges.
      output: of each edge, in outputs.
    """

    inputs: Integer[Array, "replicas classes degree size"]
    siblings: Integer[Array, "replicas classes degree siblings size"]
    votes: Integer[Array, "replicas degree outputs"]
    output: Integer[Array, "replicas classes degree size"]

    @property
    def degree(self) -> int:
        """D."""
        return self.inputs.shape[2]


def locate(arrangement: Arrangement, *, num_words: int) -> Places:
    """Flat indices of the arrangements of some replicas, in as few bytes as will do."""
    _, classes, degree, size = arrangement.inputs.shape
    outputs = arrangement.edges.shape[1]

    def of_edge(place: ArrayLike, *, num_rows: int) -> Array:
        """Places in the last `degree` of the rows [classes, rows, words, size]."""
        row, rest = jnp.divmod(place, size)
        group, slot = jnp.divmod(row, degree)
        row = (group + 1) * num_rows - degree + slot
        largest = classes * num_rows * num_words * size
        return _narrow(row * (num_words * size) + rest, largest=largest)

    return Places(
        inputs=_narrow(arrangement.inputs, largest=outputs),
        siblings=of_edge(arrangement.siblings, num_rows=2 * degree),
        votes=of_edge(jnp.swapaxes(arrangement.edges, 1, 2), num_rows=degree),
        output=_narrow(arrangement.output, largest=outputs),
    )


def _narrow(places: ArrayLike, *, largest: int) -> Array:
    return jnp.asarray(places, jnp.uint16 if largest < 2**16 else jnp.int32)


def _take(values: Array, places: Array) -> Array:
    """Gathers words of every replica: from [replicas, ..., words, size] at places.

    A flat gather is twice as fast on XLA CPU as one with batch dimensions.
    """
    replicas, *_, num_words, size = values.shape
    ndim = places.ndim + 1
    replica = jax.lax.broadcasted_iota(jnp.int32, (replicas, *[1] * (ndim - 1)), 0)
    word = jax.lax.broadcasted_iota(
        jnp.int32, (*[1] * (ndim - 2), num_words, 1), ndim - 2
    )
    first = replica * (values.size // replicas) + word * size
    flat = first + places[..., None, :].astype(jnp.int32)
    return values.reshape(-1).at[flat].get(mode="promise_in_bounds")


def forward(
    places: Places, weights: Weights, patterns: Patterns, fence: Fence
) -> Outputs:
    """The outputs of every replica's network."""
    _, edges = _activate(weights, _take(patterns, places.inputs))
    votes = fence(lambda: _take(edges, places.votes))
    return fence(lambda: bits.majority(_unstack(votes)))


def _activate(weights: Weights, inputs: Rows) -> tuple[Rows, Rows]:
    """Weights times inputs, in each slot; and weights times hidden units, each edge."""
    slots = inputs ^ weights.first[..., None, :]
    return slots, _hidden(slots) ^ weights.second[..., None, :]


def _hidden(slots: Rows) -> UInt32[Array, "replicas classes 1 words size"]:
    """The hidden units, one row of each class."""
    return bits.majority(_unstack(slots, axis=2))[:, :, None]


def _unstack(values: Array, axis: int = 1) -> list[Array]:
    number = values.shape[axis]
    return [
        jax.lax.index_in_dim(values, i, axis, keepdims=False) for i in range(number)
    ]


def order_of_substeps(
    num_classes: int, num_rows: int, *, key: Key
) -> Int32[Array, "substeps two"]:
    """All pairs of a class and a row, in random order."""
    number = jax.random.permutation(key, num_classes * num_rows)
    return jnp.stack(jnp.divmod(number, num_rows), axis=1)


def sweep(
    places: Places,
    teacher: Weights,
    student: Weights,
    patterns: Patterns,
    valid: UInt32[ArrayLike, "replicas words"],
    order: Int32[Array, "substeps two"],
    *,
    strict: bool,
) -> Weights:
    """Visits the weights once; flips those that make no more outputs wrong.

    Args:
      places: of all replicas.
      teacher: whose outputs are right.
      student: learns.
      patterns: of the mini-batches.
      valid: ones for those patterns of a mini-batch that count.
      order: classes and rows to visit, one after another.
      strict: flip only what makes fewer outputs wrong.

    Returns:
      The student afterwards.
    """
    fence = make_fence(valid)
    degree = places.degree
    inputs = _take(patterns, places.inputs)
    target = _take(forward(places, teacher, patterns, fence), places.output)
    limit = 0 if strict else 1

    def cost(siblings: Array, edges: Array, target: Array, flips: Array) -> Array:
        """The change in the number of wrong outputs, for each edge."""
        above, tied = bits.compare(_unstack(siblings, axis=2))
        turned = tied & flips & valid[:, None, :, None]
        wrong = (above | (tied & edges)) ^ target
        return (bits.count(turned) - 2 * bits.count(turned & wrong)).sum(axis=2)

    def first_layer(rows: Rows, group: Array, slot: Array) -> tuple[Array, Array]:
        siblings = fence(lambda: _take(rows, _at(places.siblings, group)))
        others = [_at(rows, group, (slot + i) % degree) for i in range(1, degree)]
        flips = fence(lambda: bits.compare(others)[1])
        edges, right = _at(rows, group)[:, degree:], _at(target, group)
        change = cost(siblings, edges, right, flips[:, None]).sum(axis=1)
        return flips, _as_words(change < limit)

    def second_layer(rows: Rows, group: Array, row: Array) -> tuple[Array, Array]:
        edge = row - degree
        siblings = fence(lambda: _take(rows, _at(places.siblings, group, edge)))
        change = cost(
            siblings[:, None],
            _at(rows, group, row)[:, None],
            _at(target, group, edge)[:, None],
            jnp.asarray(_ONES),
        )[:, 0]
        return jnp.zeros_like(rows[:, 0, 0]), _as_words(change < limit)

    def visit(rows: Rows, step: Int32[Array, " two"]) -> tuple[Rows, None]:
        group, row = step[0], step[1]
        flips, accepted = jax.lax.cond(
            row < degree, first_layer, second_layer, rows, group, row
        )
        flips, accepted = flips[:, None], accepted[:, None, None]
        zero = jnp.zeros_like(group)

        def turn(rows: Rows, first: Array, words: Array) -> Rows:
            """Turns words of the rows of the class from `first` on."""
            place = (zero, group, first, zero, zero)
            shape = (len(rows), 1, words.shape[1], *rows.shape[3:])
            block = jax.lax.dynamic_slice(rows, place, shape) ^ words[:, None]
            return jax.lax.dynamic_update_slice(rows, block, place)

        edges = jnp.broadcast_to(flips & accepted, target[:, 0].shape)
        return turn(turn(rows, zero + degree, edges), row, accepted), None

    rows = jnp.concatenate(_activate(student, inputs), axis=2)
    rows, _ = jax.lax.scan(visit, rows, order)
    slots, edges = rows[:, :, :degree], rows[:, :, degree:]
    first, second = slots ^ inputs, edges ^ _hidden(slots)
    return Weights(first[..., 0, :], second[..., 0, :])


def make_fence(valid: UInt32[ArrayLike, "replicas words"]) -> Fence:
    """A function that computes something once.

    XLA CPU fuses a gather or a count into each of its readers, which compute it again.
    It fuses nothing across a conditional: this one's condition is always true, for
    every mini-batch has a first pattern.
    """
    always = valid[0, 0] > 0

    def fence(function: Callable[[], Array]) -> Array:
        like = jax.eval_shape(function)
        return jax.lax.cond(always, function, lambda: jnp.zeros(like.shape, like.dtype))

    return fence


def _at(values: Array, *place: Array) -> Array:
    """`values[:, place]` for a place that is traced."""
    for index in place:
        values = jax.lax.dynamic_index_in_dim(values, index, 1, keepdims=False)
    return values


def _as_words(bit: Array) -> Array:
    """Words of equal bits."""
    return -bit.astype(jnp.uint32)
