"""The plane through three networks holds them, at their true distances."""

import numpy as np
import pytest

from cmd_jax.trajectory import plane_through


@pytest.fixture
def networks():
    generator = np.random.default_rng(0)
    center = 8 * generator.normal(size=40)
    draws = center + generator.normal(size=(3, 40))
    return [
        {"steps": np.array(7 + n), "a": draw[:10].reshape(2, 5), "b": draw[10:]}
        for n, draw in enumerate(draws.astype(np.float32))
    ]


def flat(network):
    return np.concatenate([network["a"].ravel(), network["b"]]).astype(np.float64)


def test_the_plane_holds_the_networks_at_their_distances(networks):
    plane, coordinates = plane_through(*networks)
    for network, place in zip(networks, coordinates, strict=True):
        there = plane.at(*place)
        np.testing.assert_allclose(flat(there), flat(network), atol=1e-4)
        assert there["steps"] == 7
    for one, other in ((0, 1), (0, 2), (1, 2)):
        expected = np.linalg.norm(flat(networks[one]) - flat(networks[other]))
        found = np.linalg.norm(coordinates[one] - coordinates[other])
        assert found == pytest.approx(expected, rel=1e-9)
    assert coordinates[:2, 1].tolist() == [0, 0] and coordinates[2, 1] > 0


def test_directions_are_orthonormal(networks):
    axes = np.stack([flat(x) for x in plane_through(*networks).plane.directions])
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-6)


def test_what_has_no_plane_is_refused(networks):
    first, second, third = networks
    with pytest.raises(ValueError, match="first two networks are the same"):
        plane_through(first, first, third)
    far = {**first, "b": first["b"] + 8, "a": first["a"] - 4}
    halfway = {**first, "b": first["b"] + 4, "a": first["a"] - 2}
    with pytest.raises(ValueError, match="lie on a line"):
        plane_through(first, far, halfway)
    with pytest.raises(ValueError, match="not finite"):
        plane_through(first, second, third | {"b": third["b"] * np.nan})
    with pytest.raises(ValueError, match=r"leaf 'b'.* in the third network"):
        plane_through(first, second, third | {"b": third["b"][1:]})
