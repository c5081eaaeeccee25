"""Folders of images that the user has: `train/CLASS/IMAGE` and `val/` or `test/` alike.

Classes are the sub-folders of `train` in alphabetical order. Every image is resized by
its shorter side to a common storage size and cut to its centre, as uint8 of three
channels. Decoding a large set takes hours, so the images are appended to a file in the
user's cache folder, which goes on where it was stopped, and which is mapped into memory
rather than read: a set need not fit there. The key of that file is made of the names,
sizes and times of the images.
"""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps

from cmd_jax import files
from cmd_jax.data.dataset import Dataset, Examples, channel_statistics
from cmd_jax.data.prepared import cache_folder, search_folders
from cmd_jax.rng import generator, stream

Path = pathlib.Path
Task = Callable[..., AbstractContextManager[Callable[[int, str], None]]]
"""`with task(name, total, start=done) as advance`, and then `advance(done, note)`."""

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_TESTS = ("val", "test")
_BLOCK = 256  # images that are decoded together
_NUM_FOR_STATISTICS = 10_000  # training images that mean and deviation are taken of


class Listing(NamedTuple):
    """The images of a split in order: their paths, and the number of each class."""

    paths: Sequence[Path]
    labels: Int[np.ndarray, " examples"]


@contextlib.contextmanager
def silent(name: str, total: int, *, start: int = 0) -> Iterator[Callable]:
    """The task that says nothing."""
    del name, total, start
    yield lambda done, note: None


def image_folder(
    *,
    folder: str,
    storage_size: int = 256,
    directory: str | os.PathLike[str] | None = None,
    num_validation: int = 0,
    task: Task = silent,
) -> Dataset:
    """A data set of image files, one sub-folder a class.

    Args:
      folder: holds `train/` and `val/` or `test/`; a path, or a name in one of
        `search_folders(directory)`.
      storage_size: side of the stored images, in pixels.
      directory: where data sets are, for a folder that is given by its name.
      num_validation: training images held out; the order of `train` is random and
        always the same, and they are its first.
      task: shows how far the decoding is.

    Returns:
      The data set; its inputs are mapped from the cache. `mean` and `std` are those of
      10 000 training images, or of all where there are fewer.

    Raises:
      FileNotFoundError: the folder, or a split of it, does not exist.
      ValueError: a class has no images, a file is no image, the splits have other
        classes, or `num_validation` leaves nothing to train on.
    """
    root = _find(folder, directory)
    if storage_size < 1:
        raise ValueError(f"storage_size={storage_size}; allowed is at least 1 pixel")
    classes = _classes(root / "train")
    train = _shuffled(_list(root / "train", classes))
    if not 0 <= num_validation < len(train.paths):
        raise ValueError(
            f"num_validation={num_validation}; allowed is 0 to {len(train.paths) - 1}, "
            f"fewer than the {len(train.paths)} images of {root / 'train'}"
        )
    test = _list(_test_folder(root), classes)
    stored = [_stored(split, storage_size, task) for split in (train, test)]
    labelled = Examples(stored[0], train.labels)
    validation, rest = (
        Examples(*(array[part] for array in labelled))  # views: nothing is copied
        for part in (slice(num_validation), slice(num_validation, None))
    )
    mean, std = channel_statistics(rest.inputs[:_NUM_FOR_STATISTICS])
    return Dataset(
        name="image_folder",
        source=str(root),
        train=rest,
        validation=validation,
        test=Examples(stored[1], test.labels),
        num_classes=len(classes),
        mean=mean,
        std=std,
    )


def _find(folder: str, directory: str | os.PathLike[str] | None) -> Path:
    places = search_folders(directory)
    for place in (Path(), *places):
        root = (place / Path(folder).expanduser()).resolve()
        if (root / "train").is_dir():
            return root
    raise FileNotFoundError(
        f"there is no folder of images {folder!r} with a sub-folder 'train' here or in "
        f"{' or '.join(map(str, places))}: name its path (config.data.folder), or the "
        "folder it is in (--data_dir or the environment's CMD_JAX_DATA)"
    )


def _test_folder(root: Path) -> Path:
    for name in _TESTS:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"{root} has neither a sub-folder 'val' nor 'test'")


def _classes(folder: Path) -> list[str]:
    found = sorted(path.name for path in _sub_folders(folder))
    if not found:
        raise ValueError(f"{folder} has no sub-folders: there is to be one a class")
    return found


def _sub_folders(folder: Path) -> Iterator[Path]:
    return (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _list(folder: Path, classes: Sequence[str]) -> Listing:
    if unknown := sorted({p.name for p in _sub_folders(folder)} - set(classes)):
        raise ValueError(
            f"{folder / unknown[0]}: there is no such class in 'train', which has "
            f"{len(classes)}"
        )
    by_class = [_images(folder / name) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in by_class])
    paths = [path for paths in by_class for path in paths]
    return Listing(paths, labels.astype(np.int32))


def _images(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    images = sorted(path for path in found if path.suffix.lower() in _SUFFIXES)
    if not images:
        raise ValueError(
            f"class {folder.name!r} is empty: {folder} has no images "
            f"({', '.join(_SUFFIXES)})"
        )
    return images


def _shuffled(split: Listing) -> Listing:
    draws = generator(stream(jax.random.key(0), "image_folder"))
    order = draws.permutation(len(split.paths))
    return Listing([split.paths[n] for n in order], split.labels[order])


def _stored(
    split: Listing, side: int, task: Task
) -> UInt8[np.ndarray, "examples {side} {side} 3"]:
    """The images of a split, mapped from the cache, to which missing ones are added."""
    cache = cache_folder() / f"images-{side}-{_fingerprint(split.paths)}.uint8"
    shape = (len(split.paths), side, side, 3)
    with files.lock(cache.with_suffix(".lock"), wait=True):
        _complete(cache, split.paths, side, task)
    return np.asarray(np.memmap(cache, np.uint8, "r", shape=shape))


def _fingerprint(paths: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        stat = path.stat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _complete(cache: Path, paths: Sequence[Path], side: int, task: Task) -> None:
    """Appends to the cache the images that it does not hold yet, in blocks."""
    bytes_each = 3 * side**2
    done = cache.stat().st_size // bytes_each if cache.exists() else 0
    if done == len(paths):
        return
    files.truncate(cache, done * bytes_each)  # what was written of another image
    name = f"decoding {paths[0].parent.parent}"
    with ThreadPoolExecutor() as pool, task(name, len(paths), start=done) as advance:
        for start in range(done, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            images = list(pool.map(lambda path: _decode(path, side), block))
            files.append(cache, np.stack(images).data)
            advance(start + len(block), "")


def _decode(path: Path, side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """An image with its shorter side resized, cut to its centre."""
    try:
        with Image.open(path) as image:
            whole = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} is no image that can be read ({error}): replace or remove it"
        ) from error
    return np.array(ImageOps.fit(whole, (side, side), Image.Resampling.BILINEAR))
