"""Texts: windows and their labels, the vocabulary, a chain of known entropy."""

import pathlib

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from cmd_jax import data
from cmd_jax.data import prepared, text

_SPLITS = {"train": "hello, world\n", "validation": "dew\nlow", "test": "hold her"}


@pytest.fixture
def write(tmp_path: pathlib.Path):
    """Writes texts as TensorFlow Datasets would; gives the folder."""

    def write(splits: dict[str, str]) -> pathlib.Path:
        version = tmp_path / "tfds" / "tiny_shakespeare" / "1.0.0"
        version.mkdir(parents=True)
        identity = tfds.core.dataset_info.DatasetIdentity(
            name="tiny_shakespeare",
            version=tfds.core.Version(version.name),
            data_dir=str(version),
            module_name="",
        )
        features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
        info = tfds.core.DatasetInfo(builder=identity, features=features)
        writer = tfds.core.SequentialWriter(info, 10, file_format="array_record")
        writer.initialize_splits(list(splits))
        writer.add_examples({name: [{"text": x}] for name, x in splits.items()})
        writer.close_all()
        return tmp_path

    return write


def test_windows_follow_each_other_and_labels_are_one_ahead() -> None:
    tokens = np.arange(23, dtype=np.uint8)
    found = data.windows(tokens, 5)
    np.testing.assert_array_equal(found.inputs.ravel(), tokens[:20])
    np.testing.assert_array_equal(found.labels.ravel(), tokens[1:21])
    assert found.inputs.dtype == np.uint8
    assert found.labels.dtype == np.int32
    assert len(data.windows(tokens, 22).labels) == 1
    for context in (0, 23):
        with pytest.raises(ValueError, match=f"context={context}; allowed are 1 to 22"):
            data.windows(tokens, context)


def test_a_prepared_text_is_read_by_characters(write) -> None:
    dataset = data.load("tiny_shakespeare", directory=write(_SPLITS), context=3)
    vocabulary = sorted(set(_SPLITS["train"]))
    assert dataset.num_classes == len(vocabulary) == 10
    for split, written in _SPLITS.items():
        examples = getattr(dataset, split)
        size = (len(written) - 1) // 3 * 3
        for tokens, begin in ((examples.inputs, 0), (examples.labels, 1)):
            characters = "".join(vocabulary[token] for token in tokens.ravel())
            assert characters == written[begin : begin + size]
    assert dataset.of_tokens
    assert not data.synthetic().of_tokens


def test_characters_beyond_ascii_are_one_token_each(write) -> None:
    splits = {"train": "ß€😀ab€", "validation": "ab", "test": "😀ß"}
    dataset = data.load("tiny_shakespeare", directory=write(splits), context=1)
    assert dataset.num_classes == 5
    np.testing.assert_array_equal(dataset.test.inputs, [[4]])
    np.testing.assert_array_equal(dataset.test.labels, [[2]])


def test_what_a_text_cannot_have_is_refused(write, monkeypatch) -> None:
    folder = write(_SPLITS | {"test": "hölle"})
    with pytest.raises(ValueError, match="the test split has the character 'ö', which"):
        data.load("tiny_shakespeare", directory=folder, context=2)
    with pytest.raises(ValueError, match="num_validation=5; allowed is 0"):
        data.load("tiny_shakespeare", directory=folder, num_validation=5)
    with pytest.raises(TypeError, match="no option 'contex'; allowed are context"):
        data.load("tiny_shakespeare", directory=folder, contex=2)
    many = "".join(map(chr, range(1000, 1257)))
    texts = dict.fromkeys(_SPLITS, many)
    monkeypatch.setattr(prepared, "read_texts", lambda *_: (folder, texts))
    with pytest.raises(ValueError, match="257 different characters; allowed are 256"):
        text.tiny_shakespeare()


def test_a_text_is_neither_augmented_nor_normalised() -> None:
    dataset = data.synthetic_text()
    preprocess = data.augmenter(dataset)
    tokens = preprocess(dataset.train.inputs, train=True, key=jax.random.key(0))
    np.testing.assert_array_equal(tokens, dataset.train.inputs)
    with pytest.raises(ValueError, match="a text is not augmented"):
        data.augmenter(dataset, flip=True)
    with pytest.raises(ValueError, match="a text is not augmented"):
        data.augmenter(dataset, crop_padding=1)
    with pytest.raises(ValueError, match="a text is not normalised"):
        data.load("synthetic_text", normalization="range")


def test_the_chain_moves_by_one_as_often_as_it_says() -> None:
    options = {"num_classes": 5, "noise": 0.4, "context": 20, "num_train": 4000}
    dataset = data.load("synthetic_text", num_validation=100, **options)
    inputs, labels = dataset.train.inputs, dataset.train.labels
    np.testing.assert_array_equal(inputs[:, 1:], labels[:, :-1])
    assert inputs.shape == (3900, 20)
    assert len(dataset.validation.labels) == 100
    jumps = (labels - inputs) % 5
    expected = np.full(5, 0.4 / 5) + 0.6 * (np.arange(5) == 1)
    found = np.bincount(jumps.ravel()) / jumps.size
    np.testing.assert_allclose(found, expected, atol=0.006)  # four deviations
    starts = np.bincount(inputs[:, 0]) / len(inputs)
    np.testing.assert_allclose(starts, np.full(5, 0.2), atol=0.026)


def test_the_chain_is_fixed_by_its_key() -> None:
    first, second, other = (
        data.synthetic_text(key=jax.random.key(seed)).train.inputs for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train": 0}, "'num_train': 0.*allowed are sizes of at least 1"),
        ({"num_classes": 1}, "num_classes=1; allowed are 2 to 256"),
        ({"num_classes": 257}, "num_classes=257; allowed are 2 to 256"),
        ({"noise": 1.5}, "noise=1.5; allowed is a probability"),
    ],
)
def test_a_chain_that_there_cannot_be_is_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        data.synthetic_text(**options)


def test_tiny_shakespeare_has_its_published_splits(data_folder: pathlib.Path) -> None:
    dataset = data.load("tiny_shakespeare", directory=data_folder)
    assert dataset.num_classes == 65
    assert dataset.train.inputs.shape == (15_685, 64)
    assert dataset.validation.labels.shape == dataset.test.labels.shape == (871, 64)
    characters = "\n !$&',-.3:;?" + "".join(map(chr, (*range(65, 91), *range(97, 123))))
    first = "".join(characters[token] for token in dataset.train.inputs[0])
    assert first.startswith("First Citizen:\nBefore we proceed any further")
