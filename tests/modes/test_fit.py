import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import sharding
from cmd_jax.modes import fit_references, one_pass
from cmd_jax.trajectory import Trajectory, blocks


def brute_force(history, references):
    """Labels, slope, intercept and R² of every weight, in float64."""
    exact = history.astype(np.float64)
    centred = exact - exact.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    products = centred[:, references].T @ centred
    with np.errstate(invalid="ignore"):
        correlation = products / norm / norm[references][:, None]
    labels = np.abs(correlation).argmax(axis=0)
    weights = np.arange(len(norm))
    slope = products[labels, weights] / norm[references][labels] ** 2
    intercept = exact.mean(axis=0) - slope * exact.mean(axis=0)[references][labels]
    return labels, slope, intercept, correlation[labels, weights] ** 2


def ravel(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("devices", [0, 1])
@pytest.mark.parametrize("num_records", [3, 9, 20, 22])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_agrees_with_float64_least_squares(
    make_walks, as_tree, num_records, size, devices
):
    history = make_walks(num_records, 5001, size=size)
    references = np.arange(0, 5000, 600)
    mesh = sharding.make_mesh(devices) if devices else None
    fit = fit_references(as_tree(history), references, mesh=mesh)
    labels, slope, intercept, r_squared = brute_force(history, references)
    agree = ravel(fit.labels) == labels
    assert agree.mean() > 0.999
    np.testing.assert_allclose(
        ravel(fit.slope)[agree], slope[agree], rtol=1e-4, atol=1e-5
    )
    # The intercept is a difference: its rounding is that of its terms.
    terms = np.abs(intercept) + np.abs(history).max() * np.abs(slope)
    error = np.abs(ravel(fit.intercept) - intercept) / terms
    assert error[agree].max() < 2e-6
    np.testing.assert_allclose(
        ravel(fit.explained)[agree], r_squared[agree], rtol=3e-5, atol=1e-5
    )


def test_mean_and_origin_add_up_to_the_mean_over_records(make_walks, as_tree):
    history = make_walks(21, 500, size=1e4)
    fit = fit_references(as_tree(history), np.array([0, 400]))
    np.testing.assert_array_equal(ravel(fit.origin), history[0])
    exact = (history.astype(np.float64) - history[0]).mean(axis=0)
    np.testing.assert_allclose(ravel(fit.mean), exact, atol=1e-4 * np.abs(exact).max())


@pytest.mark.parametrize("size", [0.0, 1e4])
def test_references_are_fitted_exactly(make_walks, as_tree, size):
    history = make_walks(21, 900, size=size)
    references = np.array([5, 450, 899, 17])
    fit = fit_references(as_tree(history), references)
    assert ravel(fit.labels)[references].tolist() == [0, 1, 2, 3]
    assert ravel(fit.slope)[references].tolist() == [1] * 4
    assert ravel(fit.intercept)[references].tolist() == [0] * 4


def test_duplicate_references_keep_their_own_modes(make_walks):
    history = make_walks(9, 4)
    history[:, 1] = history[:, 0]
    fit = fit_references(Trajectory(history, np.arange(9)), np.array([0, 1]))
    assert fit.labels[:2].tolist() == [0, 1]


def test_constant_weights_have_their_value_as_intercept(make_walks):
    history = make_walks(8, 40)
    history[:, ::4] = history[0, ::4]
    fit = fit_references(Trajectory(history, np.arange(8)), np.array([1, 2, 3]))
    assert np.flatnonzero(fit.explained == 0).tolist() == list(range(0, 40, 4))
    assert not fit.labels[::4].any() and not fit.slope[::4].any()
    np.testing.assert_array_equal(fit.intercept[::4], history[0, ::4])


def test_constant_reference_gives_the_mean(make_walks):
    history = make_walks(8, 5)
    history[:, 0] = 3
    fit = fit_references(Trajectory(history, np.arange(8)), np.array([0]))
    assert not fit.slope.any()
    np.testing.assert_allclose(fit.intercept, history.mean(axis=0), rtol=1e-5)


def test_scaling_the_references_leaves_the_fit(make_walks):
    history = make_walks(15, 200)
    scaled = history.copy()
    scaled[:, :3] *= 64
    one, other = (
        fit_references(Trajectory(h, np.arange(15)), np.arange(3))
        for h in (history, scaled)
    )
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.slope[3:], 64 * other.slope[3:], rtol=1e-5)
    np.testing.assert_allclose(one.intercept[3:], other.intercept[3:], atol=1e-4)


def test_adding_a_constant_to_a_weight_changes_its_intercept_only(make_walks):
    history = np.round(make_walks(15, 50) * 64) / 64  # so that adding is exact
    moved = history.copy()
    moved[:, 20] += 8
    one, other = (
        fit_references(Trajectory(h, np.arange(15)), np.arange(3))
        for h in (history, moved)
    )
    for name in ("labels", "slope", "mean", "explained"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    change = other.intercept - one.intercept
    assert change[20] == pytest.approx(8, abs=1e-5)
    assert not np.delete(change, 20).any()


def test_permuting_the_weights_permutes_the_fit(make_walks, as_tree):
    history = make_walks(15, 301)
    order = np.random.default_rng(3).permutation(301)
    references = np.array([3, 100, 250])
    one = fit_references(as_tree(history), references)
    other = fit_references(as_tree(history[:, order]), np.argsort(order)[references])
    for name in one._fields:
        np.testing.assert_allclose(
            ravel(getattr(one, name))[order], ravel(getattr(other, name)), rtol=1e-5
        )


def test_the_host_and_a_mesh_agree(make_walks):
    trajectory = Trajectory(make_walks(9, 9000, size=1e3), np.arange(9))
    references = np.array([1, 4000, 8000])
    over_mesh = fit_references(trajectory, references, mesh=sharding.make_mesh(1))
    on_host = fit_references(trajectory, references)
    same = over_mesh.labels == on_host.labels
    assert same.mean() > 0.999
    for name in ("slope", "mean", "origin", "explained"):
        found, expected = getattr(over_mesh, name), getattr(on_host, name)
        np.testing.assert_allclose(found[same], expected[same], rtol=3e-5, atol=1e-4)


def test_block_size_does_not_matter(make_walks, monkeypatch):
    history = blocks.aligned((9, 9008))  # of which blocks are views
    history[:] = make_walks(9, 9008)
    trajectory = Trajectory(history, np.arange(9))
    references = np.array([1, 8000])
    one = fit_references(trajectory, references)
    monkeypatch.setattr(blocks, "NARROW", 256)
    monkeypatch.setattr(one_pass, "_WIDTH", 1024)
    other = fit_references(trajectory, references)
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("devices", [0, 1])
def test_a_weight_does_not_depend_on_others(devices, make_walks):
    """Nor do empty leaves and leaves of one weight."""
    history = make_walks(9, 700)
    mesh = sharding.make_mesh(devices) if devices else None
    whole = fit_references(
        Trajectory({"w": history}, np.arange(9)), np.array([0, 1]), mesh=mesh
    )
    parts = {"a": history[:, :2], "b": history[:, :0], "c": history[:, 2:3]}
    found = fit_references(Trajectory(parts, np.arange(9)), np.array([0, 1]), mesh=mesh)
    for name in found._fields:
        pieces, expected = getattr(found, name), getattr(whole, name)["w"][:3]
        np.testing.assert_allclose(ravel(pieces), expected, rtol=1e-5, atol=1e-5)
        assert pieces["b"].shape == (0,)


def test_leaves_left_out_are_zero_and_not_counted(make_walks, as_tree):
    trajectory = as_tree(make_walks(9, 90))
    mask = {"a": True, "b": False, "c": True}
    in_b = trajectory.params["a"][0].size  # the first weight there
    fit = fit_references(trajectory, np.array([0, 1, in_b]), mask=mask)
    for name in fit._fields:
        assert not getattr(fit, name)["b"]["kernel"].any(), name
    assert fit.explained["c"].all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("record", [0, 2])
def test_names_the_leaf_and_the_record_that_are_not_finite(
    make_walks, as_tree, value, record
):
    trajectory = as_tree(make_walks(6, 90))
    trajectory.params["b"]["kernel"][record, 1, 4] = value
    match = rf"'b/kernel' holds {value} at record {record} \(step {record * 10}\)"
    with pytest.raises(ValueError, match=match):
        fit_references(trajectory, np.array([0, 1]))


def test_names_the_first_record_of_several_that_are_not_finite(make_walks):
    history = make_walks(12, 90)
    history[5, 1] = 1e25
    history[9, 3], history[4, 30] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"holds inf at record 4 \(step 40\)"):
        fit_references(Trajectory({"w": history}, np.arange(0, 120, 10)), np.array([0]))


@pytest.mark.parametrize("num_references", [0, 256])
def test_too_few_or_too_many_references_are_refused(num_references, make_walks):
    trajectory = Trajectory(make_walks(5, 300), np.arange(5))
    with pytest.raises(ValueError, match=f"{num_references} references; there can be"):
        fit_references(trajectory, np.arange(num_references))


def test_motion_too_large_for_float32_is_named(make_walks):
    history = make_walks(6, 20)
    history[3, 7] = 1e25
    with pytest.raises(ValueError, match="moves by more than 1e18"):
        fit_references(Trajectory({"w": history}, np.arange(6)), np.array([0, 1]))


def test_stored_and_device_trajectories_give_the_same_bits(make_walks, as_tree, store):
    trajectory = as_tree(make_walks(7, 3000))
    on_device = Trajectory(
        jax.tree.map(jnp.asarray, trajectory.params), trajectory.steps
    )
    references = np.array([0, 2000])
    expected = fit_references(trajectory, references)
    for other in (store(trajectory), on_device):
        found = fit_references(other, references)
        jax.tree.map(np.testing.assert_array_equal, found, expected)
