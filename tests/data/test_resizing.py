"""Random resized and centre crops: windows, areas, what stays constant or linear."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from cmd_jax import data
from cmd_jax.data import resizing

_IMAGES = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), np.uint8)
_SIDE = 10_000  # pixels of an imagined image, so large that rounding does not count


def _resize(image, window, side):
    """An image [height, width] with one of its windows made square."""
    resize = jax.jit(resizing._resize, static_argnums=2)
    return np.asarray(resize(image[..., None], jnp.asarray(window, "float32"), side))[
        ..., 0
    ]


def _windows(height, width, *, number=2000, scale=(0.08, 1.0)):
    draws = np.random.default_rng(3).random((number, 3, 10), np.float32)

    @jax.jit
    @jax.vmap
    def window(draws):
        return resizing._window(height, width, scale, draws)

    return np.asarray(window(draws))


@pytest.mark.parametrize(("height", "width"), [(12, 12), (7, 30), (40, 9)])
def test_windows_are_whole_pixels_inside_the_image(height, width):
    windows = _windows(height, width)
    top, left, tall, wide = windows.T
    assert (windows == np.round(windows)).all()
    assert (np.minimum(top, left) >= 0).all() and (np.minimum(tall, wide) >= 1).all()
    assert (top + tall <= height).all() and (left + wide <= width).all()
    for bound in (top.min(), left.min(), height - (top + tall).max()):
        assert bound == 0  # every border is reached


def test_areas_are_uniform_where_every_shape_fits():
    _, _, tall, wide = _windows(_SIDE, _SIDE, scale=(0.1, 0.7)).T
    uniform = stats.uniform(0.1, 0.6)
    assert stats.kstest(tall * wide / _SIDE**2, uniform.cdf).pvalue > 0.01
    ratios = stats.uniform(np.log(3 / 4), 2 * np.log(4 / 3))
    assert stats.kstest(np.log(wide / tall), ratios.cdf).pvalue > 0.01


def test_areas_have_the_distribution_of_what_fits_into_the_image():
    _, _, tall, wide = _windows(_SIDE, _SIDE).T

    def density(area):  # of the ratios, those whose longer side fits
        return np.minimum(1, -np.log(area) / np.log(4 / 3))

    def below(area):
        return integrate.quad(density, 0.08, area, points=[0.75])[0]

    cdf = np.vectorize(lambda area: below(area) / below(1.0))
    assert stats.kstest(tall * wide / _SIDE**2, cdf).pvalue > 0.01


def test_where_nothing_fits_the_largest_window_of_an_allowed_ratio_is_taken():
    windows = _windows(30, 100, number=3, scale=(1.0, 1.0))
    assert windows.tolist() == [[0, 30, 30, 40]] * 3
    windows = _windows(100, 30, number=3, scale=(1.0, 1.0))
    assert windows.tolist() == [[30, 0, 40, 30]] * 3


def test_the_whole_image_at_its_own_side_is_the_image():
    cropped = data.random_resized_crop(
        _IMAGES, 12, scale=(1.0, 1.0), key=jax.random.key(0)
    )
    np.testing.assert_array_equal(cropped, _IMAGES)
    np.testing.assert_array_equal(data.centre_resize(_IMAGES, 12), _IMAGES)


@pytest.mark.parametrize("side", [5, 30])
def test_a_constant_image_stays_constant(side):
    images = np.full((64, 12, 12, 2), 201, np.uint8)
    cropped = data.random_resized_crop(
        images, side, scale=(0.08, 1.0), key=jax.random.key(1)
    )
    assert cropped.shape == (64, side, side, 2) and cropped.dtype == np.uint8
    assert (np.asarray(cropped) == 201).all()
    assert (np.asarray(data.centre_resize(images, side)) == 201).all()


@pytest.mark.parametrize("side", [6, 40])
def test_a_ramp_stays_a_ramp_of_the_windows_slope(side):
    """Away from the image's borders, where the filter is cut off."""
    ramp = np.broadcast_to(5 * np.arange(50, dtype=np.uint8)[:, None], (50, 50))
    top, tall = 13, 24
    resized = _resize(ramp, (top, 20, tall, 18), side)
    centres = top + (np.arange(side) + 0.5) * tall / side - 0.5
    expected = np.broadcast_to(5 * centres[:, None], (side, side))
    np.testing.assert_allclose(resized, expected, atol=0.51)  # of rounding


def test_halving_is_the_antialiased_average():
    """The triangle filter of twice the width, by hand."""
    rows = np.random.default_rng(1).integers(0, 256, (16, 16), np.uint8)
    weights = np.array([1, 3, 3, 1]) / 8

    def halve(lines):
        padded = np.pad(lines.astype(float), ((1, 1), (0, 0)))
        whole = np.pad(np.ones_like(lines, float), ((1, 1), (0, 0)))
        summed, weight = (
            np.array([weights @ x[i : i + 4] for i in range(0, 16, 2)])
            for x in (padded, whole)
        )
        return summed / weight

    expected = halve(halve(rows).T).T
    resized = _resize(rows, (0, 0, 16, 16), 8)
    np.testing.assert_allclose(resized, expected, atol=0.51)


def test_large_images_are_tested_on_their_centre():
    """256 pixels to 224 is a plain cut; a larger image is resized to 256 before."""
    images = np.random.default_rng(2).integers(0, 256, (1, 256, 300, 1), np.uint8)
    found = data.centre_resize(images, 224)
    np.testing.assert_array_equal(found, images[:, 16:240, 38:262])
    small = data.centre_resize(images[:, :100, :100], 224)
    assert small.shape == (1, 224, 224, 1)
    assert abs(int(small[0, 0, 0, 0]) - int(images[0, 0, 0, 0])) == 0  # from its corner


def test_an_image_is_cropped_by_its_own_key_alone():
    crop = jax.jit(
        lambda key: data.random_resized_crop(_IMAGES, 8, scale=(0.08, 1.0), key=key)
    )
    first, again, other = (crop(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    same = data.random_resized_crop(
        np.stack([_IMAGES[0]] * 4), 8, scale=(0.08, 1.0), key=jax.random.key(0)
    )
    assert len(np.unique(np.asarray(same), axis=0)) == 4


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 0.4), (0.5, 1.1)])
def test_refuses_what_is_no_window(scale):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        data.random_resized_crop(_IMAGES, 8, scale=scale, key=jax.random.key(0))


def test_refuses_a_side_without_pixels():
    with pytest.raises(ValueError, match="side=0; allowed is at least 1 pixel"):
        data.centre_resize(_IMAGES, 0)
