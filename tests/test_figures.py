"""The house style: reproducible bytes, free of global state."""

import concurrent.futures
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from cmd_jax import figures


def line(figure):
    figure.subplots().plot([0, 1, 4], label="squares")


def test_an_image_is_a_well_formed_svg_of_its_size():
    root = ElementTree.fromstring(figures.draw(line, width=4, height=3))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height")) == ("288pt", "216pt")


def test_an_image_depends_on_what_is_drawn_alone():
    import matplotlib

    first = figures.draw(line, height=3)
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red"}):
        assert figures.draw(line, height=3) == first
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert figures.draw(lambda figure: figure.subplots(), height=3) != first


def test_threads_draw_the_same():
    first = figures.draw(line, height=3)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        images = pool.map(lambda _: figures.draw(line, height=3), range(6))
        assert all(image == first for image in images)


def test_a_failing_plot_leaves_the_style_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError):
        figures.draw(lambda figure: 1 / 0, height=3)
    assert dict(matplotlib.rcParams) == before
    assert figures.draw(line, height=3)


def test_neutral_colours_turn_with_the_scheme():
    image = figures.draw(line, height=3).decode()
    for neutral in (figures.INK, figures.MUTED, figures.FAINT):
        assert f'[style*="fill: {neutral}"]' in image
        assert neutral not in figures.PALETTE
    drawn, _ = image.split("<style>text")
    assert f"fill: {figures.MUTED}" in drawn and f"stroke: {figures.FAINT}" in drawn


def test_the_band_is_one_sample_standard_deviation():
    values, bands = np.array([[1.0, 2.0], [3.0, 6.0]]), []

    def plot(figure):
        axes = figure.subplots()
        figures.plot_mean(axes, np.arange(2), values, color="red", label="a")
        bands.append((axes.lines[0].get_ydata(), axes.collections[0].get_paths()[0]))

    figures.draw(plot, height=3)
    ((mean, band),) = bands
    np.testing.assert_allclose(mean, values.mean(axis=0))
    top = np.array([y for x, y in band.vertices if x == 1]).max()
    np.testing.assert_allclose(top, 4 + np.sqrt(8))


@pytest.mark.parametrize(
    "values",
    [
        np.arange(12.0).reshape(3, 4),
        np.full((3, 4), 2.5),
        np.where(np.arange(12) == 5, np.nan, np.arange(12.0)).reshape(3, 4),
        np.full((3, 4), np.inf),
    ],
    ids=["rising", "flat", "with a hole", "nowhere finite"],
)
def test_any_field_is_drawn(values):
    def plot(figure):
        axes = figure.subplots()
        figures.draw_field(axes, np.arange(4), np.arange(3), values, label="height")

    ElementTree.fromstring(figures.draw(plot, height=3))


def test_matplotlib_is_loaded_only_to_draw():
    code = "import sys, cmd_jax.figures, cmd_jax.report; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "cmd_jax.figures" in modules and "matplotlib" not in modules
