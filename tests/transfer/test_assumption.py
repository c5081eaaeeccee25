"""Cosines of displacements, against NumPy in float64."""

import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory
from cmd_jax.transfer import (
    displacement_cosines,
    identity,
    permute,
    random_permutation,
)

WIDTHS = (5, 4, 3)


@pytest.fixture
def walks(mlp):
    return [Trajectory.stack([mlp(WIDTHS, n + k) for n in range(4)]) for k in (0, 9)]


def test_equals_numpy(walks, mlp_groups, key):
    groups = mlp_groups(WIDTHS)
    permutation = random_permutation(groups, key=key)
    found = displacement_cosines(*walks, groups, permutation)
    moved = Trajectory.stack(
        [permute(groups, permutation, walks[0][n]) for n in range(4)]
    )
    one, other = (
        np.diff(
            np.concatenate(
                [np.reshape(leaf, (4, -1)) for leaf in walk.params.values()], axis=1
            ).astype(np.float64),
            axis=0,
        )
        for walk in (moved, walks[1])
    )
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(found, (one * other).sum(axis=1) / norms, rtol=1e-4)


def test_is_one_where_the_permutation_is_the_planted_one(walks, mlp_groups, key):
    groups, source = mlp_groups(WIDTHS), walks[0]
    planted = random_permutation(groups, key=key)
    target = Trajectory.stack([permute(groups, planted, source[n]) for n in range(4)])
    found = displacement_cosines(source, target, groups, planted)
    np.testing.assert_allclose(found, 1, rtol=1e-5)
    plain = displacement_cosines(source, target, groups, identity(groups))
    assert np.all(plain < 0.99)


def test_refuses_records_at_other_steps(walks, mlp_groups):
    groups = mlp_groups(WIDTHS)
    with pytest.raises(ValueError, match=r"at \[0, 1, 2\]: record both alike"):
        displacement_cosines(walks[0], walks[1][:3], groups, identity(groups))
