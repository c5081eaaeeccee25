"""DMD against PyDMD in float64, and on linear systems."""

import jax
import numpy as np
import pytest
from pydmd import DMD

from cmd_jax import baselines
from cmd_jax.trajectory import Trajectory


def peer_dmd(history, rank):
    """Eigenvalues and a prediction of every record: PyDMD's, in float64."""
    peer = DMD(svd_rank=rank).fit(history.astype(np.float64).T)
    return peer.eigs, peer.reconstructed_data.T.real


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("rank", [1, 4, 8])
def test_it_is_the_dmd_of_pydmd(as_tree, make_walks, rank):
    history = make_walks(12, 300, size=2.0)
    found = baselines.fit_dynamic_modes(as_tree(history), num_modes=rank)
    values, predicted = peer_dmd(history, rank)
    np.testing.assert_allclose(
        np.sort_complex(found.eigenvalues), np.sort_complex(values), atol=1e-6
    )
    scale = np.abs(history).max()
    for record in (0, 1, 7, 11):
        np.testing.assert_allclose(
            flat(found.at(record)), predicted[record], atol=2e-6 * scale
        )


def test_a_stored_trajectory_gives_the_same(as_tree, make_walks, store):
    trajectory = as_tree(make_walks(8, 90))
    found = [
        baselines.fit_dynamic_modes(given, num_modes=3).at(9)
        for given in (trajectory, store(trajectory))
    ]
    np.testing.assert_allclose(flat(found[0]), flat(found[1]), rtol=1e-6)


def test_a_linear_system_is_continued_beyond_the_records():
    generator = np.random.default_rng(0)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    hidden, embed = [np.array([1.0, 2.0])], generator.standard_normal((50, 2))
    for _ in range(40):
        hidden.append(0.97 * turn @ hidden[-1])
    history = (np.stack(hidden) @ embed.T).astype(np.float32)
    found = baselines.fit_dynamic_modes(
        Trajectory(history[:15], np.arange(15)), num_modes=2
    )
    np.testing.assert_allclose(np.abs(found.eigenvalues), 0.97, atol=1e-5)
    np.testing.assert_allclose(found.at(40), history[40], atol=1e-4)


def test_leaves_that_do_not_count_stay(as_tree, make_walks):
    trajectory = as_tree(make_walks(8, 60))
    mask = {"a": False, "b": True, "c": True}
    found = baselines.fit_dynamic_modes(trajectory, num_modes=3, mask=mask).at(5)
    np.testing.assert_array_equal(found["a"], trajectory[0]["a"])
    assert (found["b"]["kernel"] != trajectory[0]["b"]["kernel"]).all()


@pytest.mark.parametrize("num_modes", [0, 5])
def test_more_modes_than_the_records_have(make_walks, num_modes):
    trajectory = Trajectory(make_walks(5, 20), np.arange(5))
    with pytest.raises(ValueError, match=f"num_modes is {num_modes}; allowed are 1 to"):
        baselines.fit_dynamic_modes(trajectory, num_modes=num_modes)


def test_records_that_span_less_have_fewer_modes():
    constant = Trajectory(np.full((6, 20), 3, np.float32), np.arange(6))
    found = baselines.fit_dynamic_modes(constant, num_modes=2)
    np.testing.assert_allclose(found.eigenvalues, [1.0])
    np.testing.assert_allclose(found.at(100), 3, rtol=1e-5)


def test_a_record_before_the_first(make_walks):
    trajectory = Trajectory(make_walks(5, 20), np.arange(5))
    found = baselines.fit_dynamic_modes(trajectory, num_modes=2)
    with pytest.raises(ValueError, match="record is -1; allowed are 0 and up"):
        found.at(-1)
