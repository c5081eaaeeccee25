"""Which axes move together where arrays are multiplied and summed, or windows slide.

A contraction is the same in any order of what is summed, as long as both factors have
the same. A convolution contracts channels; a grouped one has channels in groups, and
permutes the groups as a whole and, alike in all groups, the channels within.
"""

from collections.abc import Sequence

from jax.extend.core import JaxprEqn

from cmd_jax.transfer.axes import Atom, pin, product, unify
from cmd_jax.transfer.rules import (
    Axes,
    Rule,
    pin_everything,
    pinned,
    shape_of,
    without,
)


def _dot_general(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    left, right = operands
    contracted, batched = equation.params["dimension_numbers"]
    for places, other_places in (contracted, batched):
        for place, other_place in zip(places, other_places, strict=True):
            unify(left[place], right[other_place])
    batch = tuple(left[place] for place in batched[0])
    rows = without(left, (*contracted[0], *batched[0]))
    columns = without(right, (*contracted[1], *batched[1]))
    return [(*batch, *rows, *columns)]


def _convolution(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    if equation.params["batch_group_count"] != 1:
        return pin_everything(equation, operands)
    numbers, (inputs, kernel) = equation.params["dimension_numbers"], operands
    batch, channels, *space = numbers.lhs_spec
    kernel_out, kernel_in, *kernel_space = numbers.rhs_spec
    pin(*(inputs[axis] for axis in space), *(kernel[axis] for axis in kernel_space))
    groups = Atom(equation.params["feature_group_count"])
    within = Atom(kernel[kernel_out].size // groups.size)
    unify(inputs[channels], product([groups, kernel[kernel_in]]))
    unify(kernel[kernel_out], product([groups, within]))
    result = list(pinned(shape_of(equation.outvars[0])))
    out_batch, out_channels, *_ = numbers.out_spec
    result[out_batch], result[out_channels] = inputs[batch], kernel[kernel_out]
    return [tuple(result)]


def _reduce_window(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    """Pooling: the axes along which no window slides are carried over."""
    names = "window_dimensions", "window_strides", "base_dilation", "padding"
    windows = zip(*(equation.params[name] for name in names), strict=True)
    result = list(pinned(shape_of(equation.outvars[0])))
    for place, (window, axis) in enumerate(zip(windows, operands[0], strict=True)):
        if window == (1, 1, 1, (0, 0)):
            result[place] = axis
        else:
            pin(axis)
    return [tuple(result)]


_POOLINGS = ("reduce_window_sum", "reduce_window_max", "reduce_window_min")

RULES: dict[str, Rule] = {
    **dict.fromkeys(_POOLINGS, _reduce_window),
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
}
"""The rule of each primitive by its name."""
