import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory, blocks


@pytest.fixture
def trajectory(make_walks):
    history = make_walks(5, 7000)
    return Trajectory({"a": history[:, :6000], "b": history[:, 6000:]}, np.arange(5))


@pytest.fixture(autouse=True)
def narrow_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "NARROW", 512)


def map_all(trajectory, function, leaves=(0, 1)):
    return blocks.map_blocks(trajectory, leaves, function, width=4096)


def test_blocks_cover_the_leaves_in_order(trajectory):
    found = map_all(trajectory, lambda b: (b.leaf, b.start, b.stop))
    assert found == [
        (0, 0, 4096),
        (0, 4096, 4608),
        (0, 4608, 5120),
        (0, 5120, 5632),
        (0, 5632, 6000),
        (1, 0, 512),
        (1, 512, 1000),
    ]


def test_a_block_holds_the_history_and_zeros(trajectory):
    copies = map_all(trajectory, lambda block: block.history.copy(), [1])
    history = trajectory.params["b"]
    assert copies[1].shape == (5, 512)
    np.testing.assert_array_equal(copies[0], history[:, :512])
    np.testing.assert_array_equal(copies[1][:, :488], history[:, 512:])


def test_padding_of_a_used_block_is_zero_again(trajectory):
    edges = map_all(
        trajectory, lambda b: float(np.abs(b.history[:, b.stop - b.start :]).sum())
    )
    assert edges == [0.0] * 7


def test_a_stored_history_is_read_in_place(trajectory, store):
    stored = store(trajectory)
    views = map_all(stored, lambda b: np.shares_memory(b.history, stored._records))
    assert views == [True, True, True, True, False, True, False]


def test_blocks_are_aligned_so_that_jax_need_not_copy(trajectory):
    addresses = map_all(trajectory, lambda b: b.history.ctypes.data % 64)
    assert set(addresses) == {0}


def test_first_error_is_raised(trajectory):
    def fail(block):
        if block.start:
            raise ValueError(f"at {block.start}")

    with pytest.raises(ValueError, match="at 4096"):
        map_all(trajectory, fail)


def test_jax_leaves_are_read_like_numpy_ones(trajectory):
    on_device = Trajectory(
        {name: jnp.asarray(leaf) for name, leaf in trajectory.params.items()},
        trajectory.steps,
    )
    sums = [
        map_all(t, lambda b: float(b.history.sum(dtype=np.float64)))
        for t in (trajectory, on_device)
    ]
    assert sums[0] == sums[1]


def test_integer_and_masked_leaves_are_not_modelled():
    template = {
        "a": np.zeros(2, np.float16),
        "b": np.zeros(2, np.int8),
        "c": np.ones(1),
    }
    assert blocks.modelled_leaves(template, None) == [0, 2]
    assert blocks.modelled_leaves(template, {"a": False, "b": True, "c": True}) == [2]
