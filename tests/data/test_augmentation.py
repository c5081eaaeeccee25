"""Augmentation against loops in NumPy."""

import jax
import numpy as np
import pytest

from cmd_jax import data

_IMAGES = np.random.default_rng(0).integers(1, 256, (64, 6, 5, 2), np.uint8)


def _windows(image: np.ndarray, padding: int) -> dict[tuple[int, int], np.ndarray]:
    """Every window that a crop of the image may cut, by its offset."""
    height, width, _ = image.shape
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    offsets = range(2 * padding + 1)
    return {
        (row, column): padded[row : row + height, column : column + width]
        for row in offsets
        for column in offsets
    }


def _offset(image: np.ndarray, cropped: np.ndarray, padding: int) -> tuple[int, int]:
    windows = _windows(image, padding).items()
    (found,) = [offset for offset, w in windows if np.array_equal(w, cropped)]
    return found


def test_crop_cuts_windows_of_the_padded_image_at_all_offsets() -> None:
    seen = set()
    for seed in range(4):
        cropped = np.asarray(data.random_crop(_IMAGES, 1, key=jax.random.key(seed)))
        assert cropped.dtype == np.uint8
        seen |= {_offset(*pair, 1) for pair in zip(_IMAGES, cropped, strict=True)}
    assert seen == {(row, column) for row in range(3) for column in range(3)}


def test_crop_without_padding_changes_nothing() -> None:
    cropped = data.random_crop(_IMAGES, 0, key=jax.random.key(0))
    np.testing.assert_array_equal(cropped, _IMAGES)


def test_flip_mirrors_about_half_of_the_images() -> None:
    flipped = np.asarray(data.random_flip(_IMAGES, key=jax.random.key(0)))
    kept = (flipped == _IMAGES).all((1, 2, 3))
    mirrored = (flipped == _IMAGES[:, :, ::-1]).all((1, 2, 3))
    assert (kept ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


def test_normalize_equals_numpy() -> None:
    mean, std = (0.3, 0.6), (0.2, 0.5)
    expected = (_IMAGES / 255 - np.array(mean)) / np.array(std)
    normalized = data.normalize(_IMAGES, mean, std)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("mean", "std"), [((0.5,), (1.0,)), ((0.5, 0.5), (1.0,)), ((0.5, 0.5), (1.0, 0.0))]
)
def test_normalize_refuses_wrong_statistics(mean: tuple, std: tuple) -> None:
    with pytest.raises(ValueError, match="one number for each of the 2 channels"):
        data.normalize(_IMAGES, mean, std)


def test_augmenter_normalises_the_training_set_and_augments_in_training() -> None:
    dataset = data.synthetic(shape=(8, 8, 3), num_train=200)
    preprocess = data.augmenter(dataset, crop_padding=2, flip=True)
    plain = np.asarray(preprocess(dataset.train.inputs))
    np.testing.assert_allclose(plain.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(plain.std((0, 1, 2)), 1, atol=1e-4)

    key = jax.random.key(0)
    augmented = preprocess(dataset.train.inputs, train=True, key=key)
    compiled = jax.jit(lambda x, key: preprocess(x, train=True, key=key))
    np.testing.assert_allclose(
        augmented, compiled(dataset.train.inputs, key), atol=1e-5
    )
    assert not np.array_equal(augmented, plain)


def test_augmenter_without_augmentation_needs_no_key() -> None:
    dataset = data.synthetic(shape=(8, 8, 1), num_train=20)
    preprocess = data.augmenter(dataset)
    trained = preprocess(dataset.train.inputs, train=True)
    np.testing.assert_array_equal(trained, preprocess(dataset.train.inputs))


@pytest.mark.parametrize("image_size", [0, 12])
def test_augmenter_crops_at_random_sizes_and_tests_at_the_same_size(image_size) -> None:
    dataset = data.synthetic(shape=(8, 10, 3), num_train=20)
    preprocess = data.augmenter(
        dataset, crop_padding=2, crop_scale=(0.08, 1.0), image_size=image_size
    )
    key = jax.random.key(0)
    side = image_size or 8
    for options in ({"train": True, "key": key}, {"train": False}):
        inputs = preprocess(dataset.train.inputs, **options)
        assert inputs.shape == (20, side, side, 3)
    tested = data.centre_resize(dataset.train.inputs, side)
    expected = data.normalize(tested, dataset.mean, dataset.std)
    np.testing.assert_array_equal(preprocess(dataset.train.inputs), expected)


def test_augmenter_resizes_before_it_shifts() -> None:
    dataset = data.synthetic(shape=(8, 8, 1), num_train=20)
    preprocess = data.augmenter(dataset, crop_padding=1, image_size=16)
    shifted = preprocess(dataset.train.inputs, train=True, key=jax.random.key(0))
    assert shifted.shape == (20, 16, 16, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_scale": (0.5,)}, r"crop_scale=\(0.5,\); allowed are two shares"),
        ({"crop_scale": (0.0, 1.0)}, "two shares of an image's area"),
        ({"crop_scale": (0.9, 0.5)}, "two shares of an image's area"),
        ({"image_size": -1}, "image_size=-1; allowed are 1 to 4096 pixels, and 0"),
    ],
)
def test_augmenter_refuses_wrong_sizes(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.augmenter(data.synthetic(num_train=20), **options)


def test_points_cannot_be_resized() -> None:
    with pytest.raises(ValueError, match="'circles' has points"):
        data.augmenter(data.load("circles"), image_size=2)


def test_errors() -> None:
    dataset = data.synthetic(shape=(8, 8, 1), num_train=20)
    with pytest.raises(ValueError, match="crop_padding=-1; allowed are 0 to 8 pixels"):
        data.augmenter(dataset, crop_padding=-1)
    with pytest.raises(ValueError, match="crop_padding=9; allowed are 0 to 8 pixels"):
        data.augmenter(dataset, crop_padding=9)
    with pytest.raises(ValueError, match="padding=-1; allowed is at least 0"):
        data.random_crop(_IMAGES, -1, key=jax.random.key(0))
    with pytest.raises(ValueError, match="need a key in training"):
        data.augmenter(dataset, flip=True)(dataset.train.inputs, train=True)
