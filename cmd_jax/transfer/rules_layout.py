"""Which axes move together where arrays are laid out anew: reshaped, cut, joined.

Flattening makes products of axes and concatenation sums; cutting them the same way
later finds the same parts again.
"""

from collections.abc import Sequence

from jax.extend.core import JaxprEqn

from cmd_jax.transfer.axes import (
    Atom,
    Axis,
    Freedom,
    concatenation,
    pin,
    product,
    unify,
)
from cmd_jax.transfer.rules import (
    Axes,
    Rule,
    free,
    pin_everything,
    pinned,
    replaced,
    shape_of,
    unify_all,
    without,
)


def _broadcast(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    result = list(free(shape_of(equation.outvars[0])))
    for axis, place in zip(
        operands[0], equation.params["broadcast_dimensions"], strict=True
    ):
        if axis.size == result[place].size:
            result[place] = axis
    return [tuple(result)]


def _transpose(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [tuple(operands[0][axis] for axis in equation.params["permutation"])]


def _squeeze(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [without(operands[0], equation.params["dimensions"])]


def _reshape(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    result = free(shape_of(equation.outvars[0]))
    if equation.params.get("dimensions") is not None:  # transposes first
        return pin_everything(equation, operands)
    unify(product(operands[0]), product(result))
    return [result]


def _concatenate(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    along = int(equation.params["dimension"])
    for axes in operands[1:]:
        unify_all(without(operands[0], [along]), without(axes, [along]))
    joined = concatenation(axes[along] for axes in operands)
    return [replaced(operands[0], along, joined)]


def _stack(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    """Each array has its own place on the new axis."""
    for axes in operands[1:]:
        unify_all(operands[0], axes)
    along = int(equation.params["axis"])
    (new,) = pinned([len(operands)])
    return [(*operands[0][:along], new, *operands[0][along:])]


def _unstack(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    along = int(equation.params["axis"])
    pin(operands[0][along])
    return [without(operands[0], [along]) for _ in equation.outvars]


def _tile(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    copies = (Atom(int(count)) for count in equation.params["reps"])
    return [tuple(map(product, zip(copies, operands[0], strict=True)))]


def _pad(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    """What is added is constant: a segment of its own, whose units are alike."""
    paddings, sizes = equation.params["padding_config"], shape_of(equation.outvars[0])
    result = list(pinned(sizes))
    for place, (axis, padding) in enumerate(zip(operands[0], paddings, strict=True)):
        low, high, interior = map(int, padding)
        if min(low, high) < 0 or interior > 0:
            pin(axis)
        else:
            result[place] = concatenation([Atom(low), axis, Atom(high)])
    return [tuple(result)]


def _split(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    along = int(equation.params["axis"])
    sizes = [shape_of(result)[along] for result in equation.outvars]
    segments = _segments(operands[0][along], sizes)
    return [replaced(operands[0], along, segment) for segment in segments]


def _slice(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    sizes = shape_of(equation.outvars[0])
    result = []
    for axis, start, stop, step, size in zip(
        operands[0], starts, stops, steps, sizes, strict=True
    ):
        if step == 1:
            parts = _segments(axis, [start, stop - start, axis.size - stop])
            result.append(parts[1])
        else:
            pin(axis)
            result += pinned([size])
    return [tuple(result)]


def _segments(axis: Axis, sizes: Sequence[int]) -> Axes:
    """Cuts an axis into segments; one of all of it is the axis itself."""
    parts = tuple(axis if size == axis.size else Atom(size) for size in sizes)
    if axis not in parts:
        unify(axis, concatenation(parts))
    return parts


def _dynamic_slice(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [tuple(map(_window, operands[0], equation.params["slice_sizes"]))]


def _window(axis: Axis, size: int) -> Axis:
    """A slice that begins anywhere: the whole axis, or pinned."""
    if size == axis.size:
        return axis
    pin(axis)
    return Atom(size, Freedom.PINNED)


def _dynamic_update_slice(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    array, update, *_ = operands
    result = list(pinned(shape_of(equation.outvars[0])))
    for place, (axis, new) in enumerate(zip(array, update, strict=True)):
        if new.size == axis.size:
            unify(axis, new)
            result[place] = axis
        else:
            pin(axis, new)
    return [tuple(result)]


def _gather(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    """Windows of an array, each in the place of its index; how one looks up embeddings.

    A window carries the axes over that it covers; in the others it begins anywhere.
    """
    numbers, sizes = (equation.params[x] for x in ("dimension_numbers", "slice_sizes"))
    array, (*places, components) = operands
    pin(components)
    pairs = numbers.operand_batching_dims, numbers.start_indices_batching_dims
    for axis, index_axis in zip(*pairs, strict=True):
        unify(array[axis], places[index_axis])
    covered = [
        axis if place in numbers.operand_batching_dims else _window(axis, size)
        for place, (axis, size) in enumerate(zip(array, sizes, strict=True))
    ]
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    windows, outer = iter(without(tuple(covered), dropped)), iter(places)
    rank = len(shape_of(equation.outvars[0]))
    in_window = [place in numbers.offset_dims for place in range(rank)]
    return [tuple(next(windows if inside else outer) for inside in in_window)]


RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "tile": _tile,
    "transpose": _transpose,
    "unstack": _unstack,
}
"""The rule of each primitive by its name."""
