import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.modes import blocks
from cmd_jax.trajectory import Trajectory


@pytest.fixture
def trajectory(make_walks):
    history = make_walks(5, 7000)
    return Trajectory({"a": history[:, :6000], "b": history[:, 6000:]}, np.arange(5))


@pytest.fixture
def narrow_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 1)


def test_blocks_cover_the_leaves_in_order(trajectory, narrow_blocks):
    found = blocks.map_blocks(trajectory, [0, 1], lambda b: (b.leaf, b.start, b.stop))
    assert found == [(0, 0, 2048), (0, 2048, 4096), (0, 4096, 6000), (1, 0, 1000)]


def test_a_block_holds_the_first_record_and_the_motion(trajectory):
    copies = blocks.map_blocks(
        trajectory, [1], lambda block: (block.origin.copy(), block.motion.copy())
    )
    ((origin, motion),) = copies
    history = trajectory.params["b"]
    np.testing.assert_array_equal(origin[:1000], history[0])
    np.testing.assert_array_equal(motion[:, :1000], history[1:] - history[0])
    assert origin.shape == (2048,)
    assert not origin[1000:].any() and not motion[:, 1000:].any()


def test_padding_of_a_used_block_is_zero_again(trajectory, narrow_blocks):
    edges = blocks.map_blocks(
        trajectory, [0], lambda b: float(np.abs(b.motion[:, b.stop - b.start :]).sum())
    )
    assert edges == [0.0, 0.0, 0.0]


def test_blocks_are_aligned_so_that_jax_need_not_copy(trajectory):
    addresses = blocks.map_blocks(trajectory, [0], lambda b: b.motion.ctypes.data % 64)
    assert set(addresses) == {0}


def test_first_error_is_raised(trajectory, narrow_blocks):
    def fail(block):
        if block.start:
            raise ValueError(f"at {block.start}")

    with pytest.raises(ValueError, match="at 2048"):
        blocks.map_blocks(trajectory, [0, 1], fail)


def test_jax_leaves_are_read_like_numpy_ones(trajectory):
    on_device = Trajectory(
        {name: jnp.asarray(leaf) for name, leaf in trajectory.params.items()},
        trajectory.steps,
    )
    sums = [
        blocks.map_blocks(t, [0, 1], lambda b: float(b.motion.sum(dtype=np.float64)))
        for t in (trajectory, on_device)
    ]
    assert sums[0] == sums[1]
