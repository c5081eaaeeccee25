"""Training with embedded weights: `snap`, `freeze` and `tied` on a small problem."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from cmd_jax import modes
from cmd_jax.modes.tied_weights import reduce_gradient

NUM_MODES = 3
OPTIMIZERS = {
    "sgd": functools.partial(optax.sgd, 0.05, momentum=0.9),
    "adam": functools.partial(optax.adam, 0.05),
    "decayed": lambda: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.05)),
}


@pytest.fixture
def problem(as_tree, make_walks, key):
    """Parameters, an embedding of about half of them, and a loss that couples all."""
    trajectory = as_tree(make_walks(9, 40))
    decomposition = modes.decompose(
        trajectory, num_modes=NUM_MODES, num_samples=30, key=key
    )
    params = trajectory[8]
    embedding = modes.begin_embedding(decomposition, params)
    generator = np.random.default_rng(0)
    mask = generator.random(40) < 0.5
    mask[decomposition.references] = False
    _, unravel = ravel_pytree(jax.tree.map(jnp.asarray, params))
    embedded = jax.tree.map(lambda x: x != 0, unravel(jnp.asarray(mask, jnp.float32)))
    embedding = embedding._replace(embedded=embedded)
    matrix = jnp.asarray(generator.standard_normal((40, 40)), jnp.float32) / 40

    def loss(params):
        flat, _ = ravel_pytree(params)
        return jnp.sum(jnp.sin(matrix @ flat)) + 0.01 * jnp.sum(flat**2)

    return jax.tree.map(jnp.asarray, params), embedding, loss


def train(optimizer, state, params, loss, num_steps):
    step = jax.jit(lambda p, s: optimizer.update(jax.grad(loss)(p), s, p))
    for _ in range(num_steps):
        updates, state = step(params, state)
        params = optax.apply_updates(params, updates)
    return params, state


def begin_tied(inner, params, embedding):
    """Parameters with the embedded weights in their place, `tied` and its state."""
    optimizer = modes.tied(inner, num_modes=NUM_MODES)
    state = modes.tie(optimizer.init(params), embedding)
    return modes.follow_references(embedding, params), optimizer, state


def expansion(params, embedding):
    """The reduced model: all parameters as a function of the free ones."""
    flat, unravel = ravel_pytree(params)
    mask = np.asarray(ravel_pytree(embedding.embedded)[0])
    free = np.flatnonzero(~mask)

    def expand(values):
        return modes.follow_references(embedding, unravel(flat.at[free].set(values)))

    return expand, flat[free]


def test_the_gradient_of_tied_is_that_of_the_reduced_model(problem):
    params, embedding, loss = problem
    params, _, state = begin_tied(optax.sgd(0.1), params, embedding)
    expand, free = expansion(params, embedding)
    expected = jax.grad(lambda values: loss(expand(values)))(free)
    found = reduce_gradient(jax.grad(loss)(params), state)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_tied_trains_as_the_optimizer_trains_the_reduced_model(problem, name):
    params, embedding, loss = problem
    inner = OPTIMIZERS[name]()
    params, optimizer, state = begin_tied(inner, params, embedding)
    expand, free = expansion(params, embedding)
    found, _ = train(optimizer, state, params, loss, 20)
    reduced, _ = train(
        inner, inner.init(free), free, lambda values: loss(expand(values)), 20
    )
    for a, b in zip(*map(jax.tree.leaves, (found, expand(reduced))), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_with_nothing_embedded_each_treatment_is_the_plain_optimizer(problem):
    params, _, loss = problem
    inner = OPTIMIZERS["decayed"]()
    expected, _ = train(inner, inner.init(params), params, loss, 5)
    for optimizer in (
        modes.freeze(inner, num_modes=NUM_MODES),
        modes.snap(inner, num_modes=NUM_MODES, every_updates=2),
        modes.tied(inner, num_modes=NUM_MODES),
    ):
        found, _ = train(optimizer, optimizer.init(params), params, loss, 5)
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-5), found, expected
        )


def test_tied_keeps_nothing_of_embedded_weights_and_all_of_free_ones(problem):
    params, embedding, loss = problem
    optimizer = modes.tied(optax.adam(0.1), num_modes=NUM_MODES)
    params, state = train(optimizer, optimizer.init(params), params, loss, 3)
    tied = modes.tie(state, embedding)
    free = ~np.asarray(ravel_pytree(embedding.embedded)[0])
    for moment in ("mu", "nu"):
        before, after = (getattr(s.inner[0], moment) for s in (state, tied))
        assert after.size == free.sum() < before.size
        np.testing.assert_array_equal(after, before[free])
    assert tied.inner[0].count == 3


def test_tied_refuses_to_free_a_weight(problem):
    params, embedding, _ = problem
    optimizer = modes.tied(optax.sgd(0.1), num_modes=NUM_MODES)
    state = modes.tie(optimizer.init(params), embedding)
    nothing = modes.nothing_embedded(params, num_modes=NUM_MODES)
    with pytest.raises(ValueError, match="weights that are embedded would be free"):
        modes.tie(state, nothing)


def test_freeze_moves_free_weights_as_without_and_embedded_ones_with_theirs(problem):
    params, embedding, loss = problem
    inner = optax.sgd(0.1)
    params = modes.follow_references(embedding, params)
    optimizer = modes.freeze(inner, num_modes=NUM_MODES)
    state = optimizer.init(params)._replace(embedding=embedding)
    found, _ = train(optimizer, state, params, loss, 1)
    plain, _ = train(inner, inner.init(params), params, loss, 1)
    expected = modes.follow_references(embedding, plain)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6),
        found,
        expected,
    )


def test_snap_trains_all_weights_and_sets_embedded_ones_back_at_epoch_ends(problem):
    params, embedding, loss = problem
    inner = optax.sgd(0.1, momentum=0.9)
    optimizer = modes.snap(inner, num_modes=NUM_MODES, every_updates=4)
    state = optimizer.init(params)._replace(embedding=embedding)
    for num_steps in range(1, 5):
        found, _ = train(optimizer, state, params, loss, num_steps)
        expected, _ = train(inner, inner.init(params), params, loss, num_steps)
        if num_steps == 4:
            expected = modes.follow_references(embedding, expected)
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5),
            found,
            expected,
        )


def test_only_tied_is_compiled_anew_and_only_at_a_round(problem):
    params, embedding, _ = problem
    inner = optax.sgd(0.1, momentum=0.9)
    for optimizer, expected in (
        (modes.freeze(inner, num_modes=NUM_MODES), 1),
        (modes.snap(inner, num_modes=NUM_MODES, every_updates=2), 1),
        (modes.tied(inner, num_modes=NUM_MODES), 2),
    ):
        update = jax.jit(optimizer.update)
        state = optimizer.init(params)
        _, state = update(params, state, params)
        _, state = update(params, state, params)
        if isinstance(state, modes.TiedState):
            state = modes.tie(state, embedding)
        else:
            state = state._replace(embedding=embedding)
        _, state = update(params, state, params)
        update(params, state, params)
        assert update._cache_size() == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: modes.snap(optax.sgd(0.1), num_modes=3, every_updates=0),
            "every_updates is 0; allowed are 1 and up",
        ),
        (
            lambda: modes.freeze(optax.sgd(0.1), num_modes=0).init(jnp.zeros(3)),
            "num_modes is 0; allowed are 1 and up",
        ),
    ],
)
def test_numbers_that_are_not_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
