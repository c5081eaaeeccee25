import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import check_finite, check_params


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("module", [np, jnp])
def test_a_leaf_that_is_not_finite_is_named(value, module):
    params = {
        "count": module.arange(3),
        "dense": {"bias": module.zeros(2), "kernel": module.array([[1.0, value]])},
    }
    with pytest.raises(ValueError, match="'dense/kernel' is not finite in record 7"):
        check_finite(params, source="record 7")
    params["dense"].pop("kernel")
    check_finite(params)


def test_structures_are_compared_under_jit_too():
    params = {"bias": jnp.zeros(2), "kernel": jnp.zeros((2, 3))}

    @jax.jit
    def total(given):
        check_params(given, like=params)
        return given["bias"].sum()

    assert total(params) == 0
    with pytest.raises(ValueError, match=r"leaf 'bias' is float32\[3\] in the given"):
        total({**params, "bias": jnp.zeros(3)})
