"""What an axis holds, and the unification of axes that must be permuted alike.

An axis is an *atom*, whose units may be permuted freely; a *product* of axes, outermost
first, as a flattened `[height, width, channels]` is; or a *sum* of axes, as a
concatenation is. Where two axes must move together, `unify` makes them one: an atom
becomes whatever the other axis is, factors are matched with factors and segments with
segments. This is union-find, where a class may come to have an inner structure.

Whatever cannot be matched is pinned, which is always sound: it only loses freedom.
"""

import dataclasses
import enum
import math
import operator
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Freedom(enum.IntEnum):
    """How freely the units of an atom move; what is unified moves as its least free."""

    PINNED = 0  # not at all
    SHARED = 1  # by one permutation
    PER_LAYER = 2  # by one for each layer that a loop scans over
    UNUSED = 3  # nothing was computed with them


@dataclasses.dataclass(eq=False, slots=True)
class Atom:
    """Units that are permuted as a whole, or what they turned out to be."""

    size: int
    freedom: Freedom = Freedom.UNUSED
    becomes: "Axis | None" = None


class Product(NamedTuple):
    """Axes seen as one axis, the last varying fastest."""

    parts: "tuple[Axis, ...]"

    @property
    def size(self) -> int:
        """How many units the axis has in all."""
        return math.prod(part.size for part in self.parts)


class Sum(NamedTuple):
    """Axes one after another."""

    parts: "tuple[Axis, ...]"

    @property
    def size(self) -> int:
        """How many units the axis has in all."""
        return sum(part.size for part in self.parts)


Axis = Atom | Product | Sum
Kind = type[Product] | type[Sum]


def product(parts: Iterable[Axis]) -> Axis:
    """The product of some axes; those of size 1 do not count."""
    return _combined(Product, 1, parts)


def concatenation(parts: Iterable[Axis]) -> Axis:
    """The sum of some axes; empty ones do not count."""
    return _combined(Sum, 0, parts)


def _combined(kind: Kind, neutral: int, parts: Iterable[Axis]) -> Axis:
    parts = tuple(part for part in parts if part.size != neutral)
    if not parts:
        return Atom(neutral)
    return parts[0] if len(parts) == 1 else kind(parts)


def resolve(axis: Axis) -> Axis:
    """What an axis is by now: an atom that became nothing else, a product or a sum."""
    while isinstance(axis, Atom) and axis.becomes is not None:
        axis = axis.becomes
    return axis


def atoms(axis: Axis) -> Iterator[Atom]:
    """The atoms that an axis consists of, in order."""
    axis = resolve(axis)
    if isinstance(axis, Atom):
        yield axis
    else:
        for part in axis.parts:
            yield from atoms(part)


def restrict(axis: Axis, freedom: Freedom) -> None:
    """Leaves the units of an axis at most this freedom."""
    for atom in atoms(axis):
        atom.freedom = min(atom.freedom, freedom)


def pin(*axes: Axis) -> None:
    """Forbids all permutations of some axes."""
    for axis in axes:
        restrict(axis, Freedom.PINNED)


def unify(one: Axis, other: Axis) -> None:
    """Makes two axes of the same size move together."""
    one, other = resolve(one), resolve(other)
    if one is other or one.size == 0:
        return
    if isinstance(one, Atom):
        _become(one, other)
    elif isinstance(other, Atom):
        _become(other, one)
    elif type(one) is type(other):
        _match(type(one), one, other)
    else:
        pin(one, other)


def _become(atom: Atom, axis: Axis) -> None:
    restrict(axis, atom.freedom)
    atom.becomes = axis


def _match(kind: Kind, one: Axis, other: Axis) -> None:
    """Unifies two products, or two sums, part by part.

    Of two parts that differ the longer one is cut, if it is an atom; if not, all is
    pinned up to where parts of both begin again.
    """
    left, right = [one], [other]  # what is still to be matched, the first part on top
    while left and right:
        x, y = _first(kind, left), _first(kind, right)
        if x.size == y.size:
            unify(x, y)
        elif _cut(kind, *((x, y.size) if x.size > y.size else (y, x.size))):
            left.append(x)
            right.append(y)
        else:
            _pin_block(kind, x, y, left, right)


def _first(kind: Kind, stack: list[Axis]) -> Axis:
    """Takes the first part off the stack that is not itself of this kind."""
    while isinstance(axis := resolve(stack.pop()), kind):
        stack.extend(reversed(axis.parts))
    return axis


def _cut(kind: Kind, axis: Axis, size: int) -> bool:
    """Cuts an atom in two, the first (or outer) part of a given size, if that goes."""
    if not isinstance(axis, Atom) or (kind is Product and axis.size % size):
        return False
    rest = axis.size // size if kind is Product else axis.size - size
    _become(axis, kind((Atom(size), Atom(rest))))
    return True


def _pin_block(
    kind: Kind, x: Axis, y: Axis, left: list[Axis], right: list[Axis]
) -> None:
    pin(x, y)
    combined = operator.mul if kind is Product else operator.add
    size, other_size = x.size, y.size
    while size != other_size:
        stack = left if size < other_size else right
        pin(part := _first(kind, stack))
        if stack is left:
            size = combined(size, part.size)
        else:
            other_size = combined(other_size, part.size)
