"""The principal plane against an SVD in float64, and what must not change it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory, gram, path_length, principal_plane


def ravel(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def by_svd(history):
    """Directions, coordinates and explained shares, in float64."""
    exact = history.astype(np.float64)
    left, scales, right = np.linalg.svd(exact - exact.mean(axis=0), full_matrices=False)
    signs = np.where(left[-1] < left[0], -1, 1)[:2]
    return (
        right[:2] * signs[:, None],
        left[:, :2] * scales[:2] * signs,
        (scales**2 / (scales**2).sum())[:2],
    )


@pytest.fixture(autouse=True)
def narrow_parts(monkeypatch):
    monkeypatch.setattr(gram, "_STEP", 256)


@pytest.mark.parametrize("size", [0.0, 1e4])
@pytest.mark.parametrize("stored", [False, True])
def test_agrees_with_an_svd_in_float64(make_walks, as_tree, store, size, stored):
    history = make_walks(12, 3001, size=size)
    trajectory = as_tree(history)
    path = principal_plane(store(trajectory) if stored else trajectory)
    directions, coordinates, explained = by_svd(history)
    scale = np.abs(coordinates).max()
    np.testing.assert_allclose(path.coordinates, coordinates, atol=1e-9 * scale)
    np.testing.assert_allclose(path.explained, explained, rtol=1e-9)
    found = np.stack([ravel(direction) for direction in path.plane.directions])
    np.testing.assert_allclose(found, directions, atol=1e-7)
    np.testing.assert_allclose(
        ravel(path.plane.center), history.mean(axis=0, dtype=np.float64), rtol=1e-7
    )


def test_a_rotation_of_the_coordinates_changes_no_distance(make_walks):
    history = make_walks(8, 60).astype(np.float64)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(60, 60)))
    steps = np.arange(8)
    plain, turned = (
        Trajectory({"w": values.astype(np.float32)}, steps)
        for values in (history, history @ rotation)
    )
    one, other = principal_plane(plain), principal_plane(turned)
    np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-4)
    np.testing.assert_allclose(one.explained, other.explained, rtol=1e-5)
    np.testing.assert_allclose(path_length(plain), path_length(turned), rtol=1e-6)


def test_the_order_of_the_leaves_does_not_matter(make_walks):
    history, steps = make_walks(8, 90), np.arange(8)
    parts = np.split(history, 3, axis=1)
    one = principal_plane(Trajectory(dict(zip("abc", parts, strict=True)), steps))
    other = principal_plane(Trajectory(dict(zip("cab", parts, strict=True)), steps))
    np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-10)
    for name, same in zip("abc", "cab", strict=True):
        np.testing.assert_allclose(
            one.plane.directions[0][name], other.plane.directions[0][same], atol=1e-7
        )


def test_a_path_in_a_plane_is_met_exactly():
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 5, 9)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    history = (circle @ rng.normal(size=(2, 40)) + 5).astype(np.float32)
    path = principal_plane(Trajectory({"w": history}, np.arange(9)))
    assert path.explained.sum() == pytest.approx(1)
    for record, place in zip(history, path.coordinates, strict=True):
        np.testing.assert_allclose(path.plane.at(*place)["w"], record, atol=1e-5)


def test_the_length_of_a_path(make_walks, as_tree):
    history = make_walks(9, 500, size=1e3)
    steps = np.diff(history.astype(np.float64), axis=0)
    expected = np.linalg.norm(steps, axis=1).cumsum()
    found = path_length(as_tree(history))
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], expected, rtol=1e-9)


def test_leaves_that_do_not_count_stay_at_their_last_value(make_walks):
    history, rng = make_walks(6, 30), np.random.default_rng(0)
    params = {
        "count": np.arange(6),
        "mean": rng.normal(size=(6, 4)).astype(np.float32),
        "w": history,
    }
    trajectory = Trajectory(params, np.arange(6))
    mask = {"count": True, "mean": False, "w": True}
    path = principal_plane(trajectory, mask=mask)
    there = path.plane.at(2.0, -1.0)
    assert there["count"] == 5 and there["count"].dtype == jnp.int32
    np.testing.assert_array_equal(there["mean"], params["mean"][-1])
    alone = Trajectory({"w": history}, trajectory.steps)
    np.testing.assert_array_equal(path.coordinates, principal_plane(alone).coordinates)
    assert path_length(trajectory, mask=mask)[-1] == path_length(alone)[-1]


def test_what_has_no_plane_is_refused(make_walks, as_tree):
    trajectory = as_tree(make_walks(6, 60))
    with pytest.raises(ValueError, match="there are 2 records"):
        principal_plane(trajectory[:2])
    straight = np.outer(np.arange(5), np.ones(9)).astype(np.float32)
    line = Trajectory({"w": straight}, np.arange(5))
    with pytest.raises(ValueError, match="lie on a line"):
        principal_plane(line)
    with pytest.raises(ValueError, match="no leaf counts"):
        path_length(trajectory, mask=False)
    trajectory.params["b"]["kernel"][3, 0, 0] = np.nan
    for function in (principal_plane, path_length):
        with pytest.raises(ValueError, match="leaf 'b/kernel' holds values that are"):
            function(trajectory)
