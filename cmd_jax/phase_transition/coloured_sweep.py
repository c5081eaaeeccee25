"""A greedy sweep over sparse sign networks in colour classes, all replicas at once.

Arrays are [replicas, classes, slots, words, size]: a sub-step reads and writes blocks
of one class, over which XLA vectorises, and the gathers from a replica's siblings stay
within the few kB of that replica.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32, UInt32

from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.arrangement import Arrangement, Weights
from cmd_jax.types import Array, Key

_ONES = np.uint32(0xFFFFFFFF)

Slots = UInt32[Array, "replicas classes slots words size"]
Patterns = UInt32[Array, "replicas words inputs"]
Outputs = UInt32[Array, "replicas words outputs"]


class Places(NamedTuple):
    """An arrangement's places as flat indices into arrays of all replicas and words."""

    inputs: Int32[Array, "replicas classes degree words size"]
    siblings: Int32[Array, "replicas classes siblings degree words size"]
    edges: Int32[Array, "replicas degree words outputs"]
    output: Int32[Array, "replicas classes degree words size"]

    @property
    def degree(self) -> int:
        """D."""
        return self.inputs.shape[2]


def locate(arrangement: Arrangement, *, num_inputs: int, num_words: int) -> Places:
    """Flat indices of the arrangements of some replicas.

    A gather with flat indices is twice as fast on XLA CPU as one with batch dimensions.
    """
    replicas, classes, degree, size = arrangement.inputs.shape
    replica = jnp.arange(replicas, dtype=jnp.int32)[:, None]

    def of_unit(unit: Array, number: int) -> Array:
        """Places in arrays [replicas, words, number] of the units [replicas, ...]."""
        flat = unit.reshape(replicas, -1) + replica * (num_words * number)
        return _with_words(flat.reshape(unit.shape), num_words, number)

    def of_edge(place: Array) -> Array:
        """Places in arrays [replicas, classes, degree, words, size]."""
        row, rest = jnp.divmod(place.reshape(replicas, -1), size)
        row = row + replica * (classes * degree)
        flat = row * (num_words * size) + rest
        return _with_words(flat.reshape(place.shape), num_words, size)

    return Places(
        inputs=of_unit(arrangement.inputs, num_inputs),
        siblings=of_edge(arrangement.siblings),
        edges=of_edge(jnp.swapaxes(arrangement.edges, 1, 2)),
        output=of_unit(arrangement.output, arrangement.edges.shape[1]),
    )


def _with_words(first: Array, num_words: int, stride: int) -> Array:
    """The places of all words, on an axis before the last."""
    words = jnp.arange(num_words, dtype=jnp.int32)[:, None] * stride
    return (first[..., None, :] + words).astype(jnp.int32)


def _take(values: Array, places: Array) -> Array:
    return values.reshape(-1).at[places].get(mode="promise_in_bounds")


def forward(places: Places, weights: Weights, patterns: Patterns) -> Outputs:
    """The outputs of every replica's network."""
    _, edges = _activate(weights, _take(patterns, places.inputs))
    return _vote(places, edges)


def _activate(weights: Weights, inputs: Slots) -> tuple[Slots, Slots]:
    """Weights times inputs, in each slot; and weights times hidden units, each edge."""
    slots = inputs ^ weights.first[..., None, :]
    hidden = bits.majority(_unstack(slots))
    return slots, hidden[:, :, None] ^ weights.second[..., None, :]


def _vote(places: Places, edges: Slots) -> Outputs:
    votes = _take(edges, places.edges)
    return bits.majority([votes[:, slot] for slot in range(places.degree)])


def _unstack(slots: Array, axis: int = 2) -> list[Array]:
    number = slots.shape[axis]
    return [jax.lax.index_in_dim(slots, i, axis, keepdims=False) for i in range(number)]


def order_of_substeps(
    num_classes: int, num_slots: int, *, key: Key
) -> Int32[Array, "substeps two"]:
    """All pairs of a class and a slot, in random order."""
    number = jax.random.permutation(key, num_classes * num_slots)
    return jnp.stack(jnp.divmod(number, num_slots), axis=1)


def sweep(
    places: Places,
    teacher: Weights,
    student: Weights,
    patterns: Patterns,
    valid: UInt32[Array, "replicas words"],
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
      order: classes and slots to visit; slot d is the second layer.
      strict: flip only what makes fewer outputs wrong.

    Returns:
      The student afterwards.
    """
    inputs = _take(patterns, places.inputs)
    target = _take(forward(places, teacher, patterns), places.output)
    slots, edges = _activate(student, inputs)
    spare = slots[:, :, :1]  # takes what a visit of the second layer leaves unchanged
    state = jnp.concatenate([slots, spare], axis=2), edges

    def visit(
        state: tuple[Slots, Slots], step: Int32[Array, " two"]
    ) -> tuple[tuple[Slots, Slots], None]:
        slots, edges = state
        flips, accepted = _judge(places, state, target, valid, step, strict)
        number = jnp.arange(places.degree, dtype=jnp.int32)[:, None]
        chosen = _as_words(accepted[:, None] >> number & 1)[:, :, None]
        group, slot = step[0], step[1]
        edge = _of_class(edges, group) ^ (flips[:, None] & chosen)
        edges = jax.lax.dynamic_update_index_in_dim(edges, edge, group, 1)
        word = _slot(slots, group, slot) ^ chosen[:, 0]
        zero = jnp.zeros((), step.dtype)
        slots = jax.lax.dynamic_update_slice(
            slots, word[:, None, None], (zero, group, slot, zero, zero)
        )
        return (slots, edges), None

    slots, edges = jax.lax.scan(visit, state, order)[0]
    slots = slots[:, :, :-1]
    hidden = bits.majority(_unstack(slots))
    first, second = slots ^ inputs, edges ^ hidden[:, :, None]
    return Weights(first[..., 0, :], second[..., 0, :])


def _judge(
    places: Places,
    state: tuple[Slots, Slots],
    target: Slots,
    valid: Array,
    step: Int32[Array, " two"],
    strict: bool,
) -> tuple[Array, Int32[Array, "replicas size"]]:
    """Where flips would turn the edges of a class, and which of them are accepted.

    The two layers are branches of a conditional also because XLA fuses nothing across
    it: what is judged here once, a fusion would compute again for each of its readers.

    Returns:
      Flips: ones where the hidden unit would turn [replicas, words, size]; all ones for
      the second layer. Accepted: bit l is for the unit's edge l; the first layer turns
      all edges or none.
    """
    slots, edges = state
    group, slot = step[0], step[1]
    number = jnp.arange(places.degree, dtype=jnp.int32)[:, None]
    limit = 0 if strict else 1

    def cost(flips: Array) -> Int32[Array, "replicas degree size"]:
        """The change in the number of wrong outputs, edge by edge."""
        siblings = _unstack(_take(edges, _of_class(places.siblings, group)), axis=1)
        above, tied = bits.compare(siblings)
        wrong = (above | (tied & _of_class(edges, group))) ^ _of_class(target, group)
        turned = tied & flips & valid[:, None, :, None]
        change = bits.count(turned) - 2 * bits.count(turned & wrong)
        return change.sum(axis=2)

    def first_layer() -> tuple[Array, Array]:
        degree = places.degree
        others = [_slot(slots, group, (slot + i) % degree) for i in range(1, degree)]
        flips = bits.compare(others)[1]
        accepted = cost(flips[:, None]).sum(axis=1) < limit
        return flips, -accepted.astype(jnp.int32)

    def second_layer() -> tuple[Array, Array]:
        accepted = cost(_ONES) < limit
        flips = jnp.full_like(edges[:, 0, 0], _ONES)
        return flips, (accepted.astype(jnp.int32) << number).sum(axis=1)

    return jax.lax.cond(slot < places.degree, first_layer, second_layer)


def _of_class(values: Array, group: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(values, group, 1, keepdims=False)


def _slot(slots: Slots, group: Array, slot: Array) -> Array:
    """One slot of the units of a class [replicas, words, size]."""
    return _of_class(_of_class(slots, group), slot)


def _as_words(bit: Array) -> Array:
    """Words of equal bits."""
    return -bit.astype(jnp.uint32)
