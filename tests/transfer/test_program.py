"""Groups of tiny functions, against all permutations of all axes, one by one.

Every tuple of permutations, one for each axis of each array, is tried on the function:
those that leave it unchanged are its symmetry. No group may hold another one, and where
the rules are exact, the groups generate them all.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import transfer
from tests.transfer.networks import shape

CONSTANT = np.arange(1.0, 10.0, dtype=np.float32).reshape(3, 3) ** 2
WEIGHTS = np.arange(1.0, 3.0, dtype=np.float32)[None, :, None]


def between(operation, units=3, out=None):
    """An operation on hidden units, between a layer and the next."""

    def apply(params, x):
        return operation(jnp.tanh(x @ params["in"])) @ params["out"]

    return apply, {"in": (2, units), "out": (out or units, 2)}


@jax.custom_vjp
def with_own_gradient(x):
    return jnp.sin(x)


with_own_gradient.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


def residual(params, x):
    x = x @ params["in"]
    return (x + jnp.tanh(x @ params["square"])) @ params["out"]


def repeated(params, x):
    return (
        jax.lax.fori_loop(
            0, 2, lambda _, x: jnp.tanh(x @ params["square"]), x @ params["in"]
        )
        @ params["out"]
    )


def outer_sum(params, x):
    kernel = params["column"] + params["row"]
    return jnp.tanh(x @ params["in"] @ jnp.sin(kernel)) @ params["out"]


def scanned_and_summed(params, x):
    """Units of stacked layers that are also seen together are shared by all layers."""

    def layer(x, weights):
        return x + jnp.tanh(x @ weights["in"]) @ weights["out"], None

    x, _ = jax.lax.scan(layer, x, params)
    return x + jnp.tanh(x @ params["in"].mean(axis=0)) @ params["out"].sum(axis=0)


def collected(params, x):
    """What a loop collects lies in one array, and is shared by all layers."""
    _, maps = jax.lax.scan(lambda _, w: (None, jnp.sin(x @ w)), None, params["in"])
    return maps.mean(axis=0) @ params["out"]


SQUARE = {"in": (2, 3), "square": (3, 3), "out": (3, 2)}
OUTER = {"in": (2, 3), "column": (3, 1), "row": (1, 3), "out": (3, 2)}

EXACT = {
    "elementwise": between(jax.nn.gelu),
    "softmax": between(jax.nn.softmax),
    "centred": between(lambda h: h - h.mean(axis=1, keepdims=True)),
    "over_the_batch": between(lambda h: h - h.max(axis=0, keepdims=True)),
    "cumulative": between(lambda h: jnp.cumsum(h, axis=1)),
    "cumulative_over_the_batch": between(lambda h: jnp.cumsum(h, axis=0)),
    "masked_by_place": between(lambda h: h * jnp.arange(1.0, 4.0)[None]),
    "known_matrix": between(lambda h: jnp.tanh(h @ CONSTANT)),
    "known_matrix_in_jit": between(jax.jit(lambda h: jnp.tanh(h @ CONSTANT))),
    "some_units": between(lambda h: h[:, :2], out=2),
    "first_unit_for_all": between(lambda h: h * h[:, :1]),
    "twice": between(lambda h: jnp.concatenate([h, h**2], axis=1), units=2, out=4),
    "stacked": between(
        lambda h: sum(jnp.unstack(jnp.stack([h, h**2], axis=1) * WEIGHTS, axis=1))
    ),
    "written_row_by_row": between(
        lambda h: jax.lax.fori_loop(
            0,
            3,
            lambda i, y: jax.lax.dynamic_update_index_in_dim(y, jnp.sin(h[i]), i, 0),
            jnp.zeros_like(h),
        )
    ),
    "padded": between(lambda h: jnp.pad(h, ((0, 0), (1, 0))), out=4),
    "similarities": between(lambda h: h @ jax.nn.softmax(h.T @ h)),
    "transposed_and_back": between(lambda h: (h.T * 2).reshape(1, 3, -1)[0].T),
    "own_gradient": between(with_own_gradient),
    "remat": between(jax.checkpoint(jnp.sin)),
    "branches": between(
        lambda h: jax.lax.cond(h.sum() > 0, jnp.sin, lambda h: h * h.sum(), h)
    ),
    "one_branch_pins": between(
        lambda h: jax.lax.cond(h.sum() > -9, jnp.cumsum, jnp.sin, h[0])[None]
    ),
    "mapped": between(jax.vmap(lambda h: h / (1 + jnp.abs(h).sum()))),
    "tied": (
        lambda params, x: jnp.tanh(x @ params["w"]) @ params["w"].T,
        {"w": (2, 3)},
    ),
    "residual": (residual, SQUARE),
    "repeated": (repeated, SQUARE),
    "outer_sum": (outer_sum, OUTER),
    "scanned_and_summed": (scanned_and_summed, {"in": (2, 2, 3), "out": (2, 3, 2)}),
    "output": (lambda params, x: x @ params["w"], {"w": (2, 3)}),
}

SOUND = {
    "collected": (collected, {"in": (2, 2, 3), "out": (3, 2)}),
    "reversed": between(lambda h: h[:, ::-1]),
    "tiled": between(lambda h: jnp.tile(h, (1, 2)), units=2, out=4),
    "middle_unit_for_all": between(lambda h: h * h[:, 1:2]),
    "rolled": between(lambda h: jnp.roll(h, 1, axis=1)),
    "sorted": between(lambda h: jnp.sort(h, axis=1)),
    "taken": between(lambda h: h[:, np.array([2, 0, 1])]),
    "every_second": between(lambda h: h[:, ::2], out=2),
    "largest": between(lambda h: jax.nn.one_hot(h.argmax(axis=1), 3)),
    "pairs": between(
        lambda h: (h[:, :, None] * h[:, None]).reshape(-1, 4), units=2, out=4
    ),
    "callback": between(
        lambda h: jax.pure_callback(np.sin, h, h, vmap_method="sequential")
    ),
    "scattered": between(lambda h: h.at[:, 0].set(1.0)),
    "window": between(
        lambda h: jax.lax.reduce_window(h, 0.0, jax.lax.add, (1, 2), (1, 1), "SAME")
    ),
    "two_orders": between(lambda h: jnp.concatenate([h, h[:, ::-1]], 1)[:, 1:4]),
    "regrouped": between(
        lambda h: (h.reshape(-1, 2, 2) * h.reshape(-1, 2, 2).swapaxes(1, 2)).reshape(
            -1, 4
        ),
        units=4,
    ),
}


def symmetry(apply, shapes, x):
    """All permutations of all axes under which a function stays the same."""
    generator = np.random.default_rng(0)
    params = {k: generator.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    places = [(k, axis) for k, s in shapes.items() for axis in range(len(s))]
    choices = [itertools.permutations(range(shapes[k][axis])) for k, axis in places]
    tuples = [
        dict(zip(places, chosen, strict=True)) for chosen in itertools.product(*choices)
    ]
    moved = {
        k: np.stack(
            [params[k][np.ix_(*(t[k, axis] for axis in range(len(s))))] for t in tuples]
        )
        for k, s in shapes.items()
    }
    outputs = jax.jit(jax.vmap(apply, in_axes=(0, None)))(moved, x)
    same = np.abs(outputs - apply(params, x)[None]).max(axis=(1, 2)) < 1e-5
    return [t for t, unchanged in zip(tuples, same, strict=True) if unchanged]


def of_groups(groups, shapes):
    """The permutations of all axes that the groups can make."""
    all_choices = [itertools.permutations(range(group.size)) for group in groups]
    for chosen in itertools.product(*all_choices):
        made = {}
        permutation = [np.array(p, np.int32) for p in chosen]
        for name, sizes in shapes.items():
            for axis, size in enumerate(sizes):
                order = np.arange(size)
                for group, p in zip(groups, permutation, strict=True):
                    for place in group.occurrences:
                        if (place.leaf, place.axis) == (name, axis):
                            places = place.places(group.size)
                            order[places] = order[places][p]
                made[name, axis] = tuple(order.tolist())
        yield made


def found_and_all(apply, shapes):
    x = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    variables = {name: shape(*sizes) for name, sizes in shapes.items()}
    groups = transfer.permutation_groups(apply, variables, x)
    found = list(of_groups(groups, shapes))
    assert len(found) == math.prod(math.factorial(group.size) for group in groups)
    return found, symmetry(apply, shapes, x)


@pytest.mark.parametrize("name", EXACT)
def test_the_groups_make_every_permutation_that_changes_nothing(name):
    found, unchanged = found_and_all(*EXACT[name])
    assert sorted(map(str, found)) == sorted(map(str, unchanged))


@pytest.mark.parametrize("name", SOUND)
def test_the_groups_make_no_permutation_that_changes_something(name):
    found, unchanged = found_and_all(*SOUND[name])
    assert all(permutation in unchanged for permutation in found)
