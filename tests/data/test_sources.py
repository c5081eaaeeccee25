"""Data sets by name: digits and synthetic images; the prepared ones where they are."""

import pathlib

import jax
import numpy as np
import pytest

from cmd_jax import data


def test_digits_are_split_without_overlap() -> None:
    from sklearn.datasets import load_digits

    digits = data.load("digits")
    assert digits.train.inputs.shape == (1437, 8, 8, 1)
    assert digits.test.inputs.shape == (360, 8, 8, 1)
    assert digits.validation.inputs.shape == (0, 8, 8, 1)
    assert digits.num_classes == 10
    assert digits.source.startswith("scikit-learn")
    inputs = np.concatenate([digits.train.inputs, digits.test.inputs])
    labels = np.concatenate([digits.train.labels, digits.test.labels])
    images, targets = load_digits(return_X_y=True)
    ours = np.column_stack([inputs.reshape(-1, 64), labels])
    theirs = np.column_stack([images, targets]).astype(int)
    assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))


def test_digits_keep_their_types_range_and_split() -> None:
    first, second = data.load("digits"), data.load("digits", num_validation=200)
    assert first.train.inputs.dtype == np.uint8
    assert first.train.labels.dtype == np.int32
    assert first.train.inputs.max() == 16
    np.testing.assert_array_equal(first.test.labels, second.test.labels)
    assert len(second.train.labels) == 1237
    assert second.mean == data.channel_statistics(second.train.inputs)[0]


def test_synthetic_images_are_learnable_from_train_to_test() -> None:
    dataset = data.load("synthetic", shape=(8, 8, 3), num_classes=4, num_train=80)
    inputs = dataset.train.inputs.reshape(80, -1).astype(float)
    means = np.stack([inputs[dataset.train.labels == c].mean(0) for c in range(4)])
    test = dataset.test.inputs.reshape(len(dataset.test.labels), -1).astype(float)
    nearest = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == dataset.test.labels).mean() > 0.95
    assert dataset.num_classes == 4


def test_synthetic_images_are_fixed_by_the_key() -> None:
    def images(seed: int) -> np.ndarray:
        key = jax.random.key(seed)
        return data.synthetic(shape=(6, 5, 1), num_train=4, key=key).train.inputs

    np.testing.assert_array_equal(images(0), images(0))
    assert (images(0) != images(1)).any()
    assert images(0).shape == (4, 6, 5, 1)


def test_refuses_an_unknown_name_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"'cifar_10'.*mean 'cifar10'.*digits, fash"):
        data.load("cifar_10")


def test_refuses_options_that_a_source_does_not_have() -> None:
    with pytest.raises(TypeError, match="'digits' has no options, but shape came"):
        data.load("digits", shape=(8, 8, 1))
    with pytest.raises(TypeError, match=r"no option 'size'; allowed are .*num_train"):
        data.load("synthetic", size=3)


def test_refuses_sizes_below_one() -> None:
    with pytest.raises(ValueError, match="num_train=0"):
        data.synthetic(num_train=0)
    with pytest.raises(ValueError, match="num_validation=20; allowed is 0 to 19"):
        data.load("synthetic", num_train=20, num_validation=20)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_an_absent_source_says_how_to_prepare_it(
    name: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(FileNotFoundError, match=f"prepare_data {name}`") as error:
        data.load(name, directory=tmp_path)
    assert f"{tmp_path} or {tmp_path / 'tfds'}" in str(error.value)


@pytest.mark.slow
def test_cifar10_has_its_published_counts_and_statistics(
    data_folder: pathlib.Path,
) -> None:
    dataset = data.load("cifar10", directory=data_folder)
    assert dataset.train.inputs.shape == (50_000, 32, 32, 3)
    assert dataset.test.inputs.shape == (10_000, 32, 32, 3)
    np.testing.assert_allclose(dataset.mean, (0.4914, 0.4822, 0.4465), atol=5e-5)
    np.testing.assert_allclose(dataset.std, (0.2470, 0.2435, 0.2616), atol=5e-5)
    for split, count in ((dataset.train, 5000), (dataset.test, 1000)):
        np.testing.assert_array_equal(np.bincount(split.labels), np.full(10, count))
    names = (pathlib.Path(dataset.source) / "label.labels.txt").read_text().split()
    assert names[:5] == ["airplane", "automobile", "bird", "cat", "deer"]
    assert names[5:] == ["dog", "frog", "horse", "ship", "truck"]
    first = [names[label] for label in dataset.test.labels[:4]]
    assert first == ["horse", "airplane", "frog", "truck"]


@pytest.mark.slow
def test_mnist_and_cifar100_have_their_published_counts(
    data_folder: pathlib.Path,
) -> None:
    mnist = data.load("mnist", directory=data_folder)
    cifar100 = data.load("cifar100", directory=data_folder)
    assert mnist.train.inputs.shape == (60_000, 28, 28, 1)
    np.testing.assert_allclose([*mnist.mean, *mnist.std], (0.1307, 0.3081), atol=5e-5)
    assert cifar100.num_classes == 100
    np.testing.assert_array_equal(np.bincount(cifar100.train.labels), np.full(100, 500))


def test_pixels_may_be_scaled_around_one_half() -> None:
    dataset = data.synthetic(shape=(4, 4, 3))
    halved = data.load("synthetic", shape=(4, 4, 3), normalization="half")
    expected = dataset.test.inputs / 127.5 - 1
    inputs = data.augmenter(halved)(dataset.test.inputs)
    np.testing.assert_allclose(inputs, expected, atol=1e-6)


def test_pixels_may_be_scaled_by_their_range_alone() -> None:
    digits = data.load("digits", normalization="range")
    inputs = data.augmenter(digits)(digits.train.inputs)
    np.testing.assert_allclose(inputs, digits.train.inputs / 16, rtol=1e-6)
    with pytest.raises(ValueError, match=r"'rang' \(did you mean 'range'\?\)"):
        data.load("digits", normalization="rang")
