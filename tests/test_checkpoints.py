"""Checkpoints: the last two are kept, damage and strangers are refused by path."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cmd_jax.checkpoints import Checkpoints


@pytest.fixture
def tree():
    params = {"dense": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}}
    return [{"params": params, "optimizer": optax.adam(0.1).init(params), "none": {}}]


def test_a_state_comes_back_bitwise_in_its_own_structure(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() is None
    checkpoints.save(4, tree)
    again = Checkpoints(tmp_path / "c")
    restored = again.restore(again.latest(), tree)
    assert type(restored[0]["optimizer"][0]) is type(tree[0]["optimizer"][0])
    kernel = restored[0]["params"]["dense"]["kernel"]
    np.testing.assert_array_equal(kernel, tree[0]["params"]["dense"]["kernel"])


def test_the_last_two_are_kept(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 2, 3):
        checkpoints.save(step, tree)
    assert {p.name for p in (tmp_path / "c").iterdir() if p.name.isdigit()} == {
        "2",
        "3",
    }
    assert checkpoints.latest() == 3


def test_a_checkpoint_of_another_network_names_the_array(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, tree)
    tree[0]["params"]["dense"]["bias"] = jnp.ones(4)
    with pytest.raises(
        ValueError, match=r"c/1 is of another run: '0/params/dense/bias'"
    ):
        checkpoints.restore(1, tree)
    with pytest.raises(ValueError, match="expected none"):
        checkpoints.restore(1, [{"params": tree[0]["params"]}])


def test_a_damaged_checkpoint_is_refused_by_its_path(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, tree)
    for path in (tmp_path / "c" / "1").rglob("*"):
        if path.is_file():
            path.write_bytes(b"xx")
    with pytest.raises(ValueError, match=r"c/1 cannot be .*Delete"):
        Checkpoints(tmp_path / "c").restore(1, tree)
