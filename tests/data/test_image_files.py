"""Folders of image files against the arrays that they were made of."""

import os

import numpy as np
import pytest
from PIL import Image

from cmd_jax import data
from cmd_jax.data import image_files

SIDE = 8
CLASSES = ("ant", "bee", "cow")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cmd_jax"


@pytest.fixture
def folder(tmp_path):
    """Square images of the storage size: five a class to train, two to test."""
    root = tmp_path / "animals"
    for split, number in (("train", 5), ("val", 2)):
        for label, name in enumerate(CLASSES):
            for n in range(number):
                write(root / split / name / f"{n}.png", image_of(split, label, n))
    (root / "train" / "ant" / "notes.txt").write_text("no image")
    return root


def image_of(split, label, number):
    seed = [len(split), label, number]
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def load(folder, **options):
    options = {"storage_size": SIDE, "num_validation": 4, **options}
    return data.load("image_folder", folder=str(folder), **options)


def as_pairs(examples):
    """(label, bytes) of every example."""
    return [(y, x.tobytes()) for x, y in zip(*examples, strict=True)]


def test_every_image_is_read_with_its_class(folder):
    found = load(folder)
    assert found.num_classes == 3 and found.source == str(folder)
    sizes = [len(split.labels) for split in (found.train, found.validation, found.test)]
    assert sizes == [11, 4, 6]
    expected = {
        (label, image_of("train", label, n).tobytes())
        for label in range(3)
        for n in range(5)
    }
    assert {*as_pairs(found.train), *as_pairs(found.validation)} == expected
    tested = [(y, image_of("val", y, n).tobytes()) for y in range(3) for n in range(2)]
    assert as_pairs(found.test) == tested
    mean, std = data.channel_statistics(np.array(found.train.inputs))
    assert found.mean == pytest.approx(mean) and found.std == pytest.approx(std)


def test_the_order_is_always_the_same_and_random(folder, tmp_path):
    labels = load(folder).train.labels.tolist()
    assert labels != sorted(labels)
    folder.rename(tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").train.labels.tolist() == labels


def test_a_folder_is_found_by_its_name_in_the_data_folder(folder, monkeypatch):
    assert load("animals", directory=folder.parent).source == str(folder)
    monkeypatch.setenv("CMD_JAX_DATA", str(folder.parent))
    assert load("animals").source == str(folder)


def test_images_of_other_sizes_are_resized_and_cut_to_their_centre(folder):
    wide = np.random.default_rng(0).integers(0, 256, (16, 40, 3), np.uint8)
    write(folder / "test" / "ant" / "wide.png", wide)
    grey = np.full((9, 30), 77, np.uint8)
    for name in CLASSES[1:]:
        write(folder / "test" / name / "grey.png", grey)
    for path in sorted((folder / "val").rglob("*.png")):
        path.unlink()
    for path in (*(folder / "val").iterdir(), folder / "val"):
        path.rmdir()
    first, *others = load(folder).test.inputs
    halved = Image.fromarray(wide).resize((20, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(first, np.array(halved)[:, 6:14])
    assert np.unique(others).tolist() == [77]


def test_images_are_decoded_once_and_a_stopped_decoding_goes_on(
    folder, cache, monkeypatch
):
    expected = as_pairs(load(folder).train)
    (whole,) = [path for path in cache.glob("*.uint8") if path.stat().st_size > 2000]
    decoded = []
    decode = image_files._decode

    def counted(path, side):
        decoded.append(path)
        return decode(path, side)

    monkeypatch.setattr(image_files, "_decode", counted)
    assert as_pairs(load(folder).train) == expected
    assert decoded == []
    os.truncate(whole, 6 * SIDE * SIDE * 3 + 5)  # six images and a bit of the next
    assert as_pairs(load(folder).train) == expected
    assert len(decoded) == 9
    write(folder / "train" / "bee" / "0.png", image_of("train", 1, 99))
    found = load(folder)
    assert (1, image_of("train", 1, 99).tobytes()) in [
        *as_pairs(found.train),
        *as_pairs(found.validation),
    ]


def test_tasks_are_told_how_far_it_is(folder):
    told = []

    class Task:
        def __init__(self, name, total, *, start):
            told.append((name, start, total))

        def __enter__(self):
            return lambda done, note: told.append(done)

        def __exit__(self, *_):
            pass

    load(folder, task=Task)
    names = [f"decoding {folder / split}" for split in ("train", "val")]
    assert told == [(names[0], 0, 15), 15, (names[1], 0, 6), 6]


def test_inputs_are_mapped_and_not_copied(folder):
    found = load(folder)
    bases = {id(base_of(x.inputs)) for x in (found.train, found.validation)}
    assert len(bases) == 1
    assert not found.train.inputs.flags.writeable


def base_of(array):
    """What the memory of an array belongs to."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base


def test_a_corrupt_image_is_named(folder):
    bad = folder / "train" / "cow" / "3.png"
    whole = bad.read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        bad.write_bytes(content)
        with pytest.raises(ValueError, match=r"cow/3\.png is no image that can be re"):
            load(folder)


def test_an_empty_class_is_named(folder):
    for path in (folder / "val" / "bee").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"class 'bee' is empty: .*val/bee has no im"):
        load(folder)
    (folder / "val" / "bee").rmdir()
    with pytest.raises(ValueError, match=r"class 'bee' is empty: .*val/bee has no im"):
        load(folder)


def test_refuses_what_is_no_folder_of_images(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of images 'animal' with"):
        load("animal")
    write(folder / "val" / "dog" / "0.png", image_of("val", 0, 0))
    with pytest.raises(ValueError, match="val/dog: there is no such class in 'train'"):
        load(folder)
    with pytest.raises(ValueError, match="storage_size=0; allowed is at least 1 pixel"):
        load(folder, storage_size=0)
    (tmp_path / "bare" / "train").mkdir(parents=True)
    with pytest.raises(ValueError, match="bare/train has no sub-folders"):
        load(tmp_path / "bare")
    write(tmp_path / "bare" / "train" / "ant" / "0.png", image_of("train", 0, 0))
    with pytest.raises(ValueError, match="num_validation=4; allowed is 0 to 0"):
        load(tmp_path / "bare")
    with pytest.raises(FileNotFoundError, match="neither a sub-folder 'val' nor 'test"):
        load(tmp_path / "bare", num_validation=0)
    with pytest.raises(TypeError, match="no option 'side'; allowed are folder, stor"):
        load(folder, side=3)


def test_imagenets_mean_is_for_three_channels(folder):
    assert load(folder, normalization="imagenet").mean == (0.485, 0.456, 0.406)
    with pytest.raises(ValueError, match="'synthetic' has 1"):
        data.load("synthetic", shape=(8, 8, 1), normalization="imagenet")
