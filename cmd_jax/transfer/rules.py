"""Which axes move together in a primitive: what a rule is, and the simple ones.

A rule takes an equation of a jaxpr and the axes of its operands and gives the axes of
its results: axes that the primitive treats index by index are carried over or unified,
axes along which it only sums up are left alone, all others are pinned.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex

from jax.extend.core import JaxprEqn

from cmd_jax.transfer.axes import Atom, Axis, Freedom, pin, unify

Axes = tuple[Axis, ...]
"""The axes of one array."""

Rule = Callable[[JaxprEqn, Sequence[Axes]], list[Axes]]


def shape_of(variable: Any) -> tuple[int, ...]:
    """The shape of a variable or literal of a jaxpr; tokens and the like have none."""
    return tuple(getattr(variable.aval, "shape", ()))


def free(shape: Iterable[int]) -> Axes:
    """New axes along which an array is constant, or of which nothing is known yet."""
    return tuple(Atom(size) for size in shape)


def pinned(shape: Iterable[int]) -> Axes:
    """New axes that must not be permuted."""
    return tuple(Atom(size, Freedom.PINNED) for size in shape)


def unify_all(one: Axes, other: Axes) -> None:
    """Unifies two arrays axis by axis."""
    for axis, other_axis in zip(one, other, strict=True):
        unify(axis, other_axis)


def pin_everything(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    """The rule of a primitive of which nothing is known."""
    for axes in operands:
        pin(*axes)
    return [pinned(shape_of(result)) for result in equation.outvars]


def without(axes: Axes, places: Sequence[SupportsIndex]) -> Axes:
    """The axes but those at some places."""
    return tuple(axis for place, axis in enumerate(axes) if place not in places)


def replaced(axes: Axes, place: int, axis: Axis) -> Axes:
    """The axes with another one at a place."""
    return (*axes[:place], axis, *axes[place + 1 :])


def pinned_at(axes: Axes, places: Sequence[SupportsIndex]) -> Axes:
    """The axes, those at some places pinned, in what goes in and in what comes out."""
    pin(*(axes[place] for place in places))
    return tuple(
        Atom(axis.size, Freedom.PINNED) if place in places else axis
        for place, axis in enumerate(axes)
    )


def _elementwise(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    (result,) = equation.outvars
    arrays = [axes for axes in operands if axes]  # scalars go with everything
    shape = shape_of(result)
    if any(len(axes) != len(shape) for axes in arrays):
        return pin_everything(equation, operands)
    return [tuple(map(_common, shape, *arrays))]


def _common(size: int, *axes: Axis) -> Axis:
    """The axis of an elementwise result; operands of size 1 are constant along it."""
    first, *others = [axis for axis in axes if axis.size == size] or free([size])
    for other in others:
        unify(first, other)
    return first


def _unchanged(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return list(operands)


def _reduce(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [without(operands[0], equation.params["axes"])]


def _arg_reduce(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    pin(*(operands[0][axis] for axis in equation.params["axes"]))
    return [without(operands[0], equation.params["axes"])]


def _cumulate(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [pinned_at(operands[0], [equation.params["axis"]])]


def _reverse(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    return [pinned_at(operands[0], equation.params["dimensions"])]


def _sort(equation: JaxprEqn, operands: Sequence[Axes]) -> list[Axes]:
    for axes in operands[1:]:
        unify_all(operands[0], axes)
    return [pinned_at(axes, [equation.params["dimension"]]) for axes in operands]


_ELEMENTWISE = (
    *("abs", "acos", "acosh", "add", "add_any", "asin", "asinh", "atan", "atan2"),
    *("atanh", "bessel_i0e", "bessel_i1e", "cbrt", "ceil", "clamp", "complex", "conj"),
    *("cos", "cosh", "digamma", "div", "erf", "erf_inv", "erfc", "exp", "exp2"),
    *("expm1", "floor", "igamma", "igammac", "imag", "integer_pow", "lgamma", "log"),
    *("log1p", "logistic", "max", "min", "mul", "neg", "nextafter", "polygamma", "pow"),
    *("real", "rem", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "sub"),
    *("tan", "tanh", "zeta"),
    *("eq", "eq_to", "ge", "gt", "is_finite", "le", "le_to", "lt", "lt_to", "ne"),
    *("select_n",),
    *("and", "clz", "not", "or", "population_count", "shift_left"),
    *("shift_right_arithmetic", "shift_right_logical", "xor"),
    *("convert_element_type", "copy", "copy_p", "name", "reduce_precision"),
    *("sharding_constraint", "stop_gradient"),
)
_REDUCTIONS = ("sum", "max", "min", "prod", "and", "or", "xor")
_CUMULATIONS = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")

RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(("device_put", "optimization_barrier"), _unchanged),
    **dict.fromkeys([f"reduce_{name}" for name in _REDUCTIONS], _reduce),
    **dict.fromkeys(("argmax", "argmin"), _arg_reduce),
    **dict.fromkeys(_CUMULATIONS, _cumulate),
    "rev": _reverse,
    "sort": _sort,
}
"""The rule of each primitive by its name."""
