"""Residual blocks tell what they did to their data, at no cost where none asks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cmd_jax import models

KEY = jax.random.key(0)


class _Flow(nn.Module):
    """Twelve blocks that add their number, so that a wrong order shows."""

    width: int = 2

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(len(x), -1)
        for block in range(12):
            x = models.enter(self, block, x)
            v = nn.Dense(self.width, use_bias=False, name=f"dense_{block}")(x)
            x = models.advance(self, x, block + 0 * v, step=0.5)
        return x


def _network(width=2):
    network = models.from_linen(_Flow(width), convolutional=False)
    images = jnp.ones((3, 1, 1, 2))
    return network, images, *network.init(KEY, images)


def test_passages_are_in_the_order_of_the_blocks():
    network, images, params, state = _network()
    assert state == {}
    logits, _, passages = network.flow(params, state, images)
    for block, passage in enumerate(passages):
        np.testing.assert_array_equal(passage.residue, np.full((3, 2), block))
        np.testing.assert_array_equal(passage.start[0, 0], 1 + sum(range(block)) / 2)
    last = passages[-1]
    np.testing.assert_array_equal(logits, last.start + last.step * last.residue)
    np.testing.assert_array_equal(network.apply(params, state, images)[0], logits)


def test_a_shift_moves_what_a_block_takes_in():
    network, images, params, state = _network()
    shifts = {f"block_{block}": jnp.zeros((3, 2)) for block in range(12)}
    shifts["block_7"] = jnp.ones((3, 2))
    moved = network.flow(params, state, images, shifts=shifts)[2]
    still = network.flow(params, state, images)[2]
    starts = [[float(p.start[0, 0]) for p in passages] for passages in (moved, still)]
    changes = [a - b for a, b in zip(*starts, strict=True)]
    assert changes == [0.0] * 7 + [1.0] * 5


def test_a_block_that_changes_the_shape_is_refused():
    with pytest.raises(ValueError, match=r"residue of shape \(3,\) on data of shape"):
        _network(width=3)
    with pytest.raises(ValueError, match="num_blocks=0"):
        models.create("one_rep", num_classes=2, num_blocks=0)
    with pytest.raises(ValueError, match="step=0"):
        models.create("point_resnet", num_classes=2, step=0.0)


def test_untold_passages_leave_the_program_alone():
    network, images, params, state = _network()

    def compiled(function):
        lowered = jax.jit(lambda p, x: function(p, state, x)[0]).lower(params, images)
        return lowered.compile().cost_analysis()["flops"]

    assert compiled(network.flow) == compiled(network.apply)
