"""Figures of a decomposition: valid, reproducible, and saying what they should."""

import re
import xml.etree.ElementTree as ElementTree

import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.modes import figures, landscape_figures, partition_figures


def inputs(num_seeds=3, num_modes=4, num_records=7):
    """Arguments of each figure."""
    rng = np.random.default_rng(0)
    epochs = np.arange(num_records)
    side = 1 + min(num_records, 49)  # the paper's grid is 50 by 50
    accuracies = rng.random((num_seeds, num_records), np.float32)
    references = rng.normal(size=(num_records, num_modes)).astype(np.float32)
    labels = np.arange(6) % num_modes
    weights = references[:, labels] * rng.normal(size=6)
    return {
        "accuracy": (epochs, {"SGD": accuracies, "post-hoc CMD": accuracies / 2}),
        "loss": (epochs, {"SGD": accuracies, "EMA": 2 * accuracies}),
        "correlation": (np.corrcoef(rng.normal(size=(6, 9))), labels.astype(np.uint8)),
        "profiles": (epochs, references, rng.integers(0, 99, num_modes)),
        "spread": (rng.integers(0, 9, (3, num_modes)), ["a/bias", "a/kernel", "b"]),
        "fits": (epochs, weights, weights + 0.1, labels, [f"w[{i}]" for i in range(6)]),
        "r_squared": (
            rng.random((num_seeds, num_modes)),
            rng.random(num_seeds),
            rng.random(num_seeds),
        ),
        "num_modes": (
            2 ** np.arange(num_modes),
            rng.random((num_seeds, num_modes)),
            rng.random((num_seeds, num_modes)),
            1,
        ),
        "landscape": (
            np.linspace(1, 3, side),
            np.linspace(-1, 1, side + 1),
            _bowls(side + 1, side, min(num_modes, 4)),
            np.array([2.0, 0.0]),
            [f"panel {i}" for i in range(min(num_modes, 4))],
        ),
    }


def _bowls(*shape):
    """Smooth losses on a grid, another one in each panel."""
    y, x, panel = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return x**2 + (2 + panel) * y**2


NAMES = sorted(inputs())


def texts(image):
    """The texts of an SVG, entities resolved."""
    root = ElementTree.fromstring(image)
    nodes = root.iter("{http://www.w3.org/2000/svg}text")
    return ["".join(node.itertext()).strip() for node in nodes]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_a_reproducible_svg(name):
    image = getattr(figures, name)(*inputs()[name])
    assert ElementTree.fromstring(image).tag.endswith("svg")
    assert image == getattr(figures, name)(*inputs()[name])
    assert len(image) < 400_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "sizes",
    [
        {"num_seeds": 1},
        {"num_modes": 1},
        {"num_seeds": 1, "num_modes": 1, "num_records": 1},
        {"num_modes": 30, "num_records": 150},
    ],
    ids=str,
)
def test_every_figure_takes_few_and_many(name, sizes):
    image = getattr(figures, name)(*inputs(**sizes)[name])
    assert texts(image)
    assert len(image) < 800_000


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_with_their_units(name):
    labels = {
        "accuracy": {"epoch", "accuracy (%)", "SGD", "post-hoc CMD"},
        "loss": {"epoch", "loss (nats)", "SGD", "EMA"},
        "correlation": {"sampled weights by mode", "correlation over the records"},
        "profiles": {"epoch", "standardised value"},
        "spread": {"share of the weights (%)", "mode 0", "mode 3"},
        "fits": {"epoch", "value of the weight", "recorded", "a r(t) + b"},
        "r_squared": {"mode", "mean R²", "all weights"},
        "num_modes": {"number of modes M", "random walks", "M = 1"},
        "landscape": {"value of reference 0", "CMD, last record", "panel 3"},
    }
    image = getattr(figures, name)(*inputs()[name])
    assert labels[name] <= set(texts(image))


def test_jax_arrays_are_drawn_like_numpy_arrays():
    epochs, references, sizes = inputs()["profiles"]
    expected = figures.profiles(epochs, references, sizes)
    given = figures.profiles(*map(jnp.asarray, (epochs, references, sizes)))
    assert given == expected


def test_samples_are_sorted_by_mode_and_then_by_sign():
    rng = np.random.default_rng(0)
    labels, signs = rng.integers(0, 3, 60), rng.choice([-1, 1], 60)
    references = rng.normal(size=(40, 3))
    noise = 0.1 * rng.normal(size=(40, 60))
    matrix = np.corrcoef((references[:, labels] * signs + noise).T)
    order = partition_figures._by_mode_and_sign(matrix, labels)
    assert sorted(order) == list(range(60))
    assert (np.diff(labels[order]) >= 0).all()
    for mode in range(3):
        changes = np.diff(signs[order][labels[order] == mode])
        assert np.count_nonzero(changes) == 1


def test_many_samples_make_no_larger_an_image():
    rng = np.random.default_rng(0)
    matrix = rng.uniform(-1, 1, (1200, 1200)).astype(np.float32)
    image = figures.correlation(matrix, rng.integers(0, 10, 1200))
    assert len(image) < 400_000


def test_a_constant_reference_is_a_flat_line():
    history = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 6.0]])
    drawn = figures._standardised(history)
    np.testing.assert_allclose(drawn[:, 0], 0)
    np.testing.assert_allclose(drawn[:, 1], [-np.sqrt(1.5), 0, np.sqrt(1.5)])


def test_the_modes_beyond_ten_are_pooled_without_losing_a_weight():
    counts = np.random.default_rng(0).integers(0, 50, (4, 23))
    parts, labels = partition_figures._pooled(counts)
    np.testing.assert_array_equal(parts.sum(axis=1), counts.sum(axis=1))
    assert len(labels) == parts.shape[1] == 10
    assert labels[-1] == "14 others"
    smallest = parts[:, :-1].sum(axis=0).min()
    assert (np.sort(counts.sum(axis=0))[:14] <= smallest).all()


def test_layers_are_named_with_their_sizes():
    counts = np.array([[1, 2], [1000, 500], [0, 0]])
    found = texts(figures.spread(counts, ["bias", "kernel", "steps"]))
    rows = {re.sub(r"\s+", " ", text) for text in found}
    assert {"all weights (1,503)", "bias (3)", "kernel (1,500)", "steps (0)"} <= rows


def test_each_weight_shows_its_r_squared():
    history = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]])
    fit = np.array([[0.0, 5.0], [1.0, 5.0], [1.0, 5.0]])
    image = figures.fits(np.arange(3), history, fit, np.array([3, 0]), ["a", "b"])
    found = " ".join(texts(image))
    assert "mode 3, R² = 0.50" in found
    assert "mode 0, R² = 1.00" in found


def test_the_null_is_named_with_its_mean():
    by_mode, overall = np.array([[0.9, np.nan]]), np.array([0.9])
    image = figures.r_squared(by_mode, overall, np.array([0.64]))
    assert "null, 0.64" in " ".join(texts(image))


def test_more_than_twenty_profiles_are_cut_and_it_is_said():
    image = figures.profiles(*inputs(num_modes=30)["profiles"])
    found = texts(image)
    assert "the 20 largest of 30 modes" in found
    assert sum(text.startswith("mode ") for text in found) == 20


def test_mismatched_lengths_are_refused():
    with pytest.raises(Exception, match="records"):
        figures.profiles(np.arange(3), np.zeros((4, 1)), np.array([1]))


def test_without_a_suggestion_no_number_is_marked():
    image = figures.num_modes(*inputs()["num_modes"][:3], None)
    assert not any(text.startswith("M =") for text in texts(image))


def test_the_lowest_loss_is_found_beside_losses_that_are_not_finite():
    losses = np.array([[np.nan, 3.0], [np.inf, 2.0], [2.5, 4.0]])
    assert landscape_figures._lowest(losses) == (1, 1)
