"""A walk through a program, which unifies and pins the axes of all arrays on its way.

Programs within the program are walked through where they are called. What a loop
carries moves as in the iteration before; of what it scans over, each iteration sees a
layer of its own, so that axes which are seen nowhere else may move by another
permutation in each layer. A primitive without a rule pins all that it touches.
"""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from cmd_jax.transfer import rules, rules_layout, rules_products
from cmd_jax.transfer.axes import Atom, Freedom, restrict, unify
from cmd_jax.transfer.rules import Axes, pin_everything, pinned, shape_of, unify_all

_RULES = {**rules.RULES, **rules_layout.RULES, **rules_products.RULES}
_CALLS = (
    *("call", "checkpoint", "closed_call", "core_call", "custom_jvp_call"),
    *("custom_vjp_call", "custom_vjp_call_jaxpr", "jit", "pjit", "remat", "remat2"),
)


def walk(
    program: ClosedJaxpr | Jaxpr,
    inputs: Sequence[Axes],
    freedom: Freedom = Freedom.SHARED,
) -> list[Axes]:
    """The axes of a program's results.

    Args:
      program: a jaxpr; the arrays that it captured are pinned.
      inputs: the axes of its arguments.
      freedom: what the units of all arrays that are computed with have at most:
        `SHARED`, or `PER_LAYER` within a loop.
    """
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    known = dict(zip(jaxpr.invars, inputs, strict=True))
    known.update((var, pinned(shape_of(var))) for var in jaxpr.constvars)

    def axes_of(variable: Any) -> Axes:
        literal = isinstance(variable, Literal)
        return pinned(shape_of(variable)) if literal else known[variable]

    for equation in jaxpr.eqns:
        operands = [axes_of(variable) for variable in equation.invars]
        results = _step(equation, operands, freedom)
        known.update(zip(equation.outvars, results, strict=True))
    return [axes_of(variable) for variable in jaxpr.outvars]


def _step(equation: JaxprEqn, operands: Sequence[Axes], freedom: Freedom) -> list[Axes]:
    name = equation.primitive.name
    if name in _CALLS and len(bodies := _programs(equation)) == 1:
        return walk(bodies[0], operands, freedom)
    if name in _CONTROL:
        return _CONTROL[name](equation, operands, freedom)
    results = _RULES.get(name, pin_everything)(equation, operands)
    _limit([*operands, *results], freedom)
    return results


def _programs(equation: JaxprEqn) -> list[ClosedJaxpr | Jaxpr]:
    values = equation.params.values()
    return [value for value in values if isinstance(value, ClosedJaxpr | Jaxpr)]


def _limit(arrays: Sequence[Axes], freedom: Freedom) -> None:
    for axes in arrays:
        for axis in axes:
            restrict(axis, freedom)


def _cond(equation: JaxprEqn, operands: Sequence[Axes], freedom: Freedom) -> list[Axes]:
    """Each branch is walked through with the same operands, to the same results."""
    _, *inputs = operands  # the first says which branch
    first, *others = (
        walk(branch, inputs, freedom) for branch in equation.params["branches"]
    )
    for other in others:
        _unify_arrays(first, other)
    return first


def _while(
    equation: JaxprEqn, operands: Sequence[Axes], freedom: Freedom
) -> list[Axes]:
    params = equation.params
    begin, end = params["cond_nconsts"], params["body_nconsts"] + params["cond_nconsts"]
    carried = operands[end:]
    _limit(carried, freedom)
    walk(params["cond_jaxpr"], [*operands[:begin], *carried], freedom)
    results = walk(params["body_jaxpr"], operands[begin:], freedom)
    _unify_arrays(carried, results)
    return results


def _scan(equation: JaxprEqn, operands: Sequence[Axes], freedom: Freedom) -> list[Axes]:
    """The layers are pinned; a layer's other axes are those of the stacked array."""
    params = equation.params
    num_consts, num_carried = params["num_consts"], params["num_carry"]
    same = operands[: num_consts + num_carried]
    stacked = operands[num_consts + num_carried :]
    _limit(same, freedom)
    layers = Atom(params["length"], Freedom.PINNED)
    for axes in stacked:
        unify(axes[0], layers)
    inside = [*same, *(axes[1:] for axes in stacked)]
    results = walk(params["jaxpr"], inside, Freedom.PER_LAYER)
    _unify_arrays(same[num_consts:], results[:num_carried])
    made = [(layers, *axes) for axes in results[num_carried:]]
    _limit(made, freedom)
    return [*results[:num_carried], *made]


def _unify_arrays(arrays: Sequence[Axes], others: Sequence[Axes]) -> None:
    for axes, other_axes in zip(arrays, others, strict=True):
        unify_all(axes, other_axes)


_CONTROL = {"cond": _cond, "scan": _scan, "while": _while}
