import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import host


def test_fetch_is_one_call_for_a_whole_tree():
    tree = {"a": jnp.arange(3), "b": [jnp.ones((2, 2)), jnp.float32(4)]}
    before = host.counter.calls
    fetched = host.fetch(tree)
    assert host.counter.calls == before + 1
    assert jax.tree.structure(fetched) == jax.tree.structure(tree)
    for found, expected in zip(
        jax.tree.leaves(fetched), jax.tree.leaves(tree), strict=True
    ):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)


def test_fetched_arrays_outlive_a_donated_buffer():
    array = jnp.arange(1000.0)
    fetched = host.fetch(array)
    assert fetched.flags.owndata
    step = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
    jax.block_until_ready(step(array))
    np.testing.assert_array_equal(fetched, np.arange(1000.0))
