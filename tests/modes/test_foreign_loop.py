import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cmd_jax import modes, trees
from cmd_jax.trajectory import Trajectory


@pytest.fixture
def records(make_walks, as_tree):
    """Parameters of 30 records, 300 weights, and a count."""
    trajectory = as_tree(make_walks(30, 300))
    return [
        {**trajectory[record], "count": np.array(record, np.int32)}
        for record in range(len(trajectory))
    ]


@pytest.fixture
def make_follower(key):
    def make(**options):
        chosen = {"warmup_records": 9, "num_modes": 4, "num_samples": 50, "key": key}
        return modes.OnlineModes(**{**chosen, **options})

    return make


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("method", ["k_medoids", "random_references"])
def test_is_decompose_and_then_online(records, make_follower, method, key):
    follower = make_follower(method=method, forgetting=0.9)
    decomposition = modes.decompose(
        Trajectory.stack(records[:10]),
        num_modes=4,
        num_samples=50,
        method=method,
        key=key,
    )
    estimator = modes.online(decomposition, forgetting=0.9)
    update, estimate = jax.jit(estimator.update), jax.jit(estimator.params)
    state = estimator.init(records[9])
    for number, record in enumerate(records):
        follower.record(record)
        assert follower.num_records == number + 1
        if number < 9:
            assert follower.decomposition is None
            assert_equal(follower.params(), record)
        else:
            state = update(state, record) if number > 9 else state
            assert_equal(follower.params(), estimate(state))
    np.testing.assert_array_equal(
        follower.decomposition.references, decomposition.references
    )


def test_keeps_its_own_copies(records, make_follower):
    """Loops donate their parameters, or write over them."""
    undisturbed, donating, writing = (make_follower() for _ in range(3))
    donate = jax.jit(lambda p: jax.tree.map(lambda x: x * 0, p), donate_argnums=0)
    for record in records[:14]:
        undisturbed.record(record)
        donated = jax.tree.map(jnp.array, record)
        donating.record(donated)
        donate(donated)
        written = jax.tree.map(np.array, record)
        writing.record(written)
        jax.tree.map(lambda leaf: leaf.fill(0), written)
        assert_equal(donating.params(), undisturbed.params())
        assert_equal(writing.params(), undisturbed.params())


@pytest.mark.parametrize("number", [0, 4, 9, 15])
def test_what_is_not_finite_is_refused_and_nothing_lost(records, make_follower, number):
    follower, other = make_follower(), make_follower()
    bad = jax.tree.map(np.array, records[number])
    bad["b"]["kernel"][1, 3] = np.nan
    for record in records[:number]:
        follower.record(record)
    message = f"leaf 'b/kernel' is not finite in record {number}"
    with pytest.raises(ValueError, match=message):
        follower.record(bad)
    for record in records[number:20]:
        follower.record(record)
    for record in records[:20]:
        other.record(record)
    assert_equal(follower.params(), other.params())


@pytest.mark.parametrize("number", [1, 12])
def test_parameters_of_another_network(records, make_follower, number):
    follower = make_follower()
    for record in records[:number]:
        follower.record(record)
    with pytest.raises(ValueError, match="leaf 'b/kernel' is missing in the given"):
        follower.record({**records[number], "b": {}})
    assert follower.num_records == number


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_records": 1}, "there are 2 records to decompose; at least 3"),
        ({"num_modes": 0}, "num_modes is 0; allowed are 1 to 50"),
        ({"num_samples": 301}, "num_samples is 301; allowed are 1 to 300"),
        ({"method": "kmedoids"}, "method is 'kmedoids'"),
        ({"num_restarts": 0}, "num_restarts is 0"),
    ],
)
def test_numbers_that_do_not_fit_are_said_at_the_first_record(
    records, make_follower, options, message
):
    with pytest.raises(ValueError, match=message):
        make_follower(**options).record(records[0])


def test_a_forgetting_that_is_not_allowed_is_said_at_once(make_follower):
    with pytest.raises(ValueError, match=r"forgetting is 0\.0; allowed"):
        make_follower(forgetting=0.0)


def test_no_estimate_before_the_first_record(make_follower):
    with pytest.raises(ValueError, match="nothing to estimate yet: call record first"):
        make_follower().params()


def test_beside_a_loop_of_plain_optax(key):
    """Three lines of ours; the training is the same without them."""
    inputs = jax.random.normal(key, (64, 5))
    targets = jnp.sin(inputs @ jnp.arange(5.0))
    optimizer = optax.adam(0.05)

    def loss(params, batch):
        x, y = batch
        hidden = jnp.tanh(x @ params["in"])
        return jnp.mean((hidden @ params["out"] - y) ** 2)

    @jax.jit
    def step(params, state, batch):
        gradients = jax.grad(loss)(params, batch)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    def train(record):
        params = {"in": jax.random.normal(key, (5, 8)) / 3, "out": jnp.ones(8) / 8}
        state = optimizer.init(params)
        for _ in range(25):
            for start in range(0, 64, 16):
                batch = inputs[start : start + 16], targets[start : start + 16]
                params, state = step(params, state, batch)
            record(params)
        return params

    follower = modes.OnlineModes(warmup_records=5, num_modes=2, num_samples=20, key=key)
    followed = train(follower.record)
    estimate = follower.params()
    assert_equal(followed, train(lambda params: None))
    assert follower.num_records == 25 and trees.count(estimate) == 48
    data = (inputs, targets)
    assert loss(estimate, data) < loss(jax.tree.map(jnp.zeros_like, estimate), data)
