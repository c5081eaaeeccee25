"""Data sets in TensorFlow Datasets' own form on disk, written here by its writer."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cmd_jax import data, files
from cmd_jax.data import prepared

_IMAGES = np.random.default_rng(0).integers(0, 256, (25, 32, 32, 3), np.uint8)
_LABELS = np.arange(25) * 3 % 10


@pytest.fixture(autouse=True)
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cmd_jax"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder whose `tfds` holds a small CIFAR-10: 20 images to train, 5 to test."""
    _write(tmp_path / "data" / "tfds" / "cifar10" / "3.0.2")
    return tmp_path / "data"


def _write(version: pathlib.Path) -> None:
    version.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
    )
    identity = tfds.core.dataset_info.DatasetIdentity(
        name="cifar10",
        version=tfds.core.Version(version.name),
        data_dir=str(version),
        module_name="",
    )
    info = tfds.core.DatasetInfo(builder=identity, features=features)
    writer = tfds.core.SequentialWriter(info, 10, file_format="array_record")
    writer.initialize_splits(["train", "test"])
    examples = [
        {"image": _png(image), "label": int(label)}
        for image, label in zip(_IMAGES, _LABELS, strict=True)
    ]
    writer.add_examples({"train": examples[:20], "test": examples[20:]})
    writer.close_all()


def _png(image: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    file.seek(0)
    return file


def _modules_after_loading(folder: pathlib.Path) -> set[str]:
    code = (
        "import sys; from cmd_jax import data; data.load('cifar10', directory="
        f"{str(folder)!r}); print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize("parent", [True, False])
def test_reads_every_image_in_order(folder: pathlib.Path, parent: bool) -> None:
    dataset = data.load("cifar10", directory=folder if parent else folder / "tfds")
    np.testing.assert_array_equal(dataset.train.inputs, _IMAGES[:20])
    np.testing.assert_array_equal(dataset.train.labels, _LABELS[:20])
    np.testing.assert_array_equal(dataset.test.inputs, _IMAGES[20:])
    np.testing.assert_array_equal(dataset.test.labels, _LABELS[20:])
    assert dataset.train.labels.dtype == np.int32
    assert dataset.num_classes == 10
    assert dataset.source == str(folder / "tfds" / "cifar10" / "3.0.2")


def test_neither_reading_nor_the_cache_needs_tensorflow(folder: pathlib.Path) -> None:
    first = _modules_after_loading(folder)
    assert "tensorflow_datasets" in first
    assert "tensorflow" not in first
    assert "tensorflow_datasets" not in _modules_after_loading(folder)


def test_the_second_time_reads_the_cache(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data.load("cifar10", directory=folder)
    monkeypatch.setattr(prepared, "_decode", None)
    second = data.load("cifar10", directory=folder)
    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    np.testing.assert_array_equal(first.test.labels, second.test.labels)


def test_a_source_that_is_gone_is_an_error_even_if_cached(folder: pathlib.Path) -> None:
    data.load("cifar10", directory=folder)
    (folder / "tfds").rename(folder / "elsewhere")
    with pytest.raises(FileNotFoundError, match="scripts/prepare_data cifar10"):
        data.load("cifar10", directory=folder)


def test_a_source_that_changed_is_decoded_again(
    folder: pathlib.Path, cache: pathlib.Path
) -> None:
    data.load("cifar10", directory=folder)
    (shard,) = (folder / "tfds" / "cifar10" / "3.0.2").glob("*test*")
    os.utime(shard, ns=(0, 0))
    data.load("cifar10", directory=folder)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_damaged_cache_is_made_again(
    folder: pathlib.Path, cache: pathlib.Path, content: bytes
) -> None:
    data.load("cifar10", directory=folder)
    (cached,) = cache.glob("*/train_inputs.npy")
    cached.write_bytes(content)
    dataset = data.load("cifar10", directory=folder)
    np.testing.assert_array_equal(dataset.train.inputs, _IMAGES[:20])
    np.testing.assert_array_equal(np.load(cached), _IMAGES[:20])


def test_without_room_for_the_cache_the_data_is_read_all_the_same(
    folder: pathlib.Path, cache: pathlib.Path
) -> None:
    cache.parent.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="not cached in"):
        dataset = data.load("cifar10", directory=folder)
    np.testing.assert_array_equal(dataset.train.inputs, _IMAGES[:20])


def test_the_newest_version_is_read(folder: pathlib.Path) -> None:
    versions = folder / "tfds" / "cifar10"
    _write(versions / "3.0.10")
    assert data.load("cifar10", directory=folder).source == str(versions / "3.0.10")


def test_another_format_is_refused(folder: pathlib.Path) -> None:
    path = folder / "tfds" / "cifar10" / "3.0.2" / "dataset_info.json"
    files.write_json(path, json.loads(path.read_text()) | {"fileFormat": "tfrecord"})
    with pytest.raises(ValueError, match="as 'tfrecord'; allowed is 'array_record'"):
        data.load("cifar10", directory=folder)


def test_folders_are_looked_up_in_the_environment(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("CMD_JAX_DATA", "TFDS_DATA_DIR")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / name))
    assert data.search_folders(tmp_path)[0] == tmp_path
    assert data.search_folders()[0] == tmp_path / "CMD_JAX_DATA"
    monkeypatch.delenv("CMD_JAX_DATA")
    assert data.search_folders()[0] == tmp_path / "TFDS_DATA_DIR"
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert (
        data.search_folders()[0] == pathlib.Path("~/tensorflow_datasets").expanduser()
    )
