"""The sample: exactly as large as asked for, spread over leaves, only what moves."""

import jax
import numpy as np
import pytest

from cmd_jax import modes
from cmd_jax.trajectory import Trajectory


def _trajectory(moving, constant=()):
    """One leaf per number, of so many weights that move and so many that do not."""
    rng = np.random.default_rng(0)
    constant = constant or (0,) * len(moving)
    leaves = [
        np.concatenate([rng.normal(size=(4, m)), np.ones((4, c))], axis=1)
        for m, c in zip(moving, constant, strict=True)
    ]
    return Trajectory([leaf.astype(np.float32) for leaf in leaves], np.arange(4))


def _counts(samples, sizes):
    edges = np.cumsum([0, *sizes])
    return np.histogram(samples, edges)[0].tolist()


def test_half_is_spread_evenly_and_half_by_size():
    sizes = (1000, 3000, 6000)
    trajectory = _trajectory(sizes)
    samples = modes.sample_weights(trajectory, 600, key=jax.random.key(0))
    assert len(set(samples.tolist())) == 600
    assert _counts(samples, sizes) == [130, 190, 280]
    uniform = modes.sample_weights(
        trajectory, 600, even_share=0.0, key=jax.random.key(0)
    )
    assert _counts(uniform, sizes) == [60, 180, 360]


def test_what_a_small_leaf_lacks_the_others_give():
    sizes = (3, 5000, 5000)
    samples = modes.sample_weights(_trajectory(sizes), 300, key=jax.random.key(0))
    counts = _counts(samples, sizes)
    assert counts[0] == 3
    assert sum(counts) == 300
    assert abs(counts[1] - counts[2]) <= 1


def test_constant_weights_are_left_out():
    moving, constant = (5, 40, 0), (100, 3, 50)
    trajectory = _trajectory(moving, constant)
    for num_samples in (10, 45):
        samples = modes.sample_weights(trajectory, num_samples, key=jax.random.key(1))
        histories = modes.gather(trajectory, samples)
        assert len(set(samples.tolist())) == num_samples
        assert np.all(histories.std(axis=0) > 0)
    with pytest.raises(ValueError, match="num_samples is 46; allowed are at most 45"):
        modes.sample_weights(trajectory, 46, key=jax.random.key(1))


@pytest.mark.parametrize(("at_most", "found"), [(4, 4), (45, 45), (46, 45)])
def test_moving_weights_are_counted_up_to_what_is_asked_for(at_most, found):
    trajectory = _trajectory((5, 40, 0), (100, 3, 50))
    assert modes.count_moving(trajectory, at_most=at_most) == found


def test_every_weight_of_a_leaf_is_as_likely():
    trajectory = _trajectory((40,), (10,))
    drawn = [
        modes.sample_weights(trajectory, 10, key=jax.random.key(seed))
        for seed in range(200)
    ]
    counts = np.bincount(np.concatenate(drawn), minlength=50)
    assert counts[40:].sum() == 0
    assert counts[:40].min() > 25  # 50 expected, standard deviation 6
    assert counts[:40].max() < 80


def test_the_mask_leaves_leaves_out():
    samples = modes.sample_weights(
        _trajectory((10, 10)), 8, mask=[False, True], key=jax.random.key(0)
    )
    assert samples.min() >= 10
