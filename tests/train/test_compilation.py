"""The compiler options by version, and that this machine's compiler takes them."""

import jax.numpy as jnp
import pytest

from cmd_jax.train.compilation import compiler_options, jit


@pytest.mark.parametrize(
    ("version", "passed"),
    [((0, 8, 0), False), ((0, 9, 1), True), ((0, 11, 9), True), ((0, 12, 0), False)],
)
def test_the_option_is_passed_to_the_versions_that_know_it(version, passed):
    assert (compiler_options("cpu", version) is not None) == passed
    assert compiler_options("tpu", version) is None


def test_this_version_compiles_with_its_options():
    assert float(jit(lambda x: 2 * x)(jnp.float32(3))) == 6
