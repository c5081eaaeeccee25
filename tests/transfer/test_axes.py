"""Unification of axes: what fits together is one, what does not is pinned."""

import pytest

from cmd_jax.transfer.axes import (
    Atom,
    Freedom,
    atoms,
    concatenation,
    pin,
    product,
    resolve,
    restrict,
    unify,
)

COMBINED = {"product": product, "concatenation": concatenation}


def sizes(axis):
    return [atom.size for atom in atoms(axis)]


def frozen(*axes):
    return [atom.freedom is Freedom.PINNED for axis in axes for atom in atoms(axis)]


def test_unified_atoms_are_one_and_as_free_as_the_least_free():
    one, other, third = Atom(3, Freedom.SHARED), Atom(3), Atom(3, Freedom.PINNED)
    unify(one, other)
    assert resolve(one) is resolve(other)
    assert resolve(one).freedom is Freedom.SHARED
    unify(third, other)
    assert frozen(one, other, third) == [True] * 3


@pytest.mark.parametrize("combined", COMBINED.values(), ids=COMBINED)
def test_an_atom_becomes_what_it_is_unified_with(combined):
    parts = Atom(2), Atom(3)
    whole, other = Atom(combined(parts).size), Atom(combined(parts).size)
    unify(whole, combined(parts))
    assert sizes(whole) == [2, 3]
    unify(combined([Atom(2), Atom(3)]), whole)
    pin(parts[1])
    unify(other, whole)
    assert frozen(whole, other) == [False, True] * 2


def test_what_does_not_count_is_left_out():
    atom = Atom(5)
    assert product([Atom(1), atom, Atom(1)]) is atom
    assert concatenation([Atom(0), atom]) is atom
    assert product([Atom(1)]).size == 1
    assert concatenation([]).size == 0


def test_atoms_are_cut_where_the_other_side_begins_a_part():
    one, other = product([Atom(4), Atom(3)]), product([Atom(2), Atom(6)])
    unify(one, other)
    assert sizes(one) == sizes(other) == [2, 2, 3]
    assert list(atoms(one)) == list(atoms(other))
    left, right = concatenation([Atom(4), Atom(3)]), concatenation([Atom(2), Atom(5)])
    unify(left, right)
    assert sizes(left) == sizes(right) == [2, 2, 3]


def test_parts_of_parts_are_matched():
    one = product([Atom(2), concatenation([Atom(3), Atom(4)])])
    other = product([Atom(2), concatenation([Atom(5), Atom(2)])])
    unify(one, other)
    assert sizes(one) == sizes(other) == [2, 3, 2, 2]
    assert not any(frozen(one, other))


def test_a_part_may_be_matched_with_itself_elsewhere():
    part = Atom(4)
    unify(product([part, Atom(2)]), product([Atom(2), part]))
    assert sizes(part) == [2, 2]
    first, second = atoms(part)
    assert first is second


def test_only_what_does_not_fit_is_pinned():
    one = product([Atom(2), Atom(6), Atom(4), Atom(5)])
    other = product([Atom(2), Atom(4), Atom(6), Atom(5)])
    unify(one, other)
    assert frozen(one) == frozen(other) == [False, True, True, False]


def test_a_product_is_no_concatenation():
    one, other = product([Atom(2), Atom(3)]), concatenation([Atom(2), Atom(4)])
    unify(one, other)
    assert all(frozen(one, other))


def test_restricting_reaches_what_an_axis_becomes_later():
    atom, parts = Atom(6), product([Atom(2), Atom(3)])
    restrict(atom, Freedom.PER_LAYER)
    unify(atom, parts)
    assert {part.freedom for part in atoms(parts)} == {Freedom.PER_LAYER}


def test_empty_axes_move_with_nothing():
    one, other = product([Atom(0), Atom(3)]), product([Atom(2), Atom(0)])
    unify(one, other)
    assert not any(frozen(one, other))
