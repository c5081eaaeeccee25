"""Data sets that TensorFlow Datasets prepared, read without TensorFlow.

Decoding all images of CIFAR-10 takes seconds, so arrays are cached in the user's cache
folder, under a key made of the source's folder, version and files: a source that was
moved, changed or prepared again is decoded again, and one that is gone is an error.
"""

import hashlib
import os
import pathlib
import warnings
from typing import Any, NamedTuple

import numpy as np

from cmd_jax import files
from cmd_jax.data.dataset import Examples

Path = pathlib.Path


class Prepared(NamedTuple):
    """A prepared data set as arrays: its folder, both splits, number of classes."""

    folder: Path
    train: Examples
    test: Examples
    num_classes: int


def read(name: str, directory: str | os.PathLike[str] | None = None) -> Prepared:
    """Reads the prepared data set `name`, from the cache where it was read before.

    Args:
      name: as TensorFlow Datasets calls it, such as `"cifar10"`.
      directory: a folder of TensorFlow Datasets, or its parent; see `search_folders`.

    Returns:
      All examples, in the order of the source.

    Raises:
      FileNotFoundError: the data set is in none of the folders looked in.
      ValueError: it was prepared in a format that cannot be read at random.
    """
    folder = find(name, directory)
    num_classes = _num_classes(folder)
    cache = cache_folder() / f"{name}-{folder.name}-{_fingerprint(folder)}"
    splits = _read_cache(cache)
    if splits is None:
        splits = {split: _decode(folder, split) for split in ("train", "test")}
        _write_cache(cache, splits)
    return Prepared(folder, splits["train"], splits["test"], num_classes)


def read_texts(
    name: str, directory: str | os.PathLike[str] | None = None
) -> tuple[Path, dict[str, str]]:
    """Reads the texts of a prepared data set: its folder, and the text of each split.

    The arguments and errors are those of `read`.
    """
    folder = find(name, directory)
    return folder, {
        split: "".join(part["text"].decode() for part in _stored(folder, split))
        for split in ("train", "validation", "test")
    }


def search_folders(directory: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """The folders in which prepared data sets are looked for.

    They are `directory`, else the environment's CMD_JAX_DATA, else its TFDS_DATA_DIR,
    else TensorFlow Datasets' own default; and the folder `tfds` in it.

    Example:
      >>> from cmd_jax.data import search_folders
      >>> [str(folder) for folder in search_folders("/data")]
      ['/data', '/data/tfds']
    """
    chosen = (
        directory
        or os.environ.get("CMD_JAX_DATA")
        or os.environ.get("TFDS_DATA_DIR")
        or "~/tensorflow_datasets"
    )
    root = Path(chosen).expanduser().resolve()
    return root, root / "tfds"


def find(name: str, directory: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the newest prepared version of `name`."""
    folders = search_folders(directory)
    for folder in folders:
        if found := list((folder / name).glob("[0-9]*/dataset_info.json")):
            newest = max((info.parent for info in found), key=_version)
            _check_format(name, newest)
            return newest
    raise FileNotFoundError(
        f"data set {name!r} is not in {' or '.join(map(str, folders))}. Prepare it "
        f"with `scripts/prepare_data {name}`, or name its folder (--data_dir or the "
        "environment's CMD_JAX_DATA)"
    )


def cache_folder() -> Path:
    """Where decoded arrays are kept: `cmd_jax` in XDG_CACHE_HOME, else in ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "cmd_jax"


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split(".") if part.isdigit())


def _check_format(name: str, folder: Path) -> None:
    stored = files.read_json(folder / "dataset_info.json").get("fileFormat", "tfrecord")
    if stored != "array_record":
        raise ValueError(
            f"{folder} holds {name!r} as {stored!r}; allowed is 'array_record'. "
            "Prepare it in another folder with "
            f"`scripts/prepare_data {name} --data_dir DIR`"
        )


def _num_classes(folder: Path) -> int:
    features = files.read_json(folder / "features.json")["featuresDict"]["features"]
    return int(features["label"]["classLabel"]["numClasses"])


def _fingerprint(folder: Path) -> str:
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    entries = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    text = "\n".join([str(folder), *entries])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _stored(folder: Path, split: str) -> list[dict[str, Any]]:
    # Imported here: it takes seconds, and a cached data set does not need it.
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(folder)
    source = builder.as_data_source(split)
    return source.__getitems__(range(len(source)))  # far faster than one by one


def _decode(folder: Path, split: str) -> Examples:
    examples = _stored(folder, split)
    return Examples(
        np.stack([example["image"] for example in examples]),
        np.array([example["label"] for example in examples], np.int32),
    )


def _read_cache(cache: Path) -> dict[str, Examples] | None:
    def array(name: str) -> np.ndarray:
        return np.load(cache / f"{name}.npy", allow_pickle=False)

    try:
        return {
            split: Examples(array(f"{split}_inputs"), array(f"{split}_labels"))
            for split in ("train", "test")
        }
    except (OSError, ValueError, EOFError):  # absent, incomplete or damaged
        return None


def _write_cache(cache: Path, splits: dict[str, Examples]) -> None:
    try:
        for split, examples in splits.items():
            for field, array in examples._asdict().items():
                with (
                    files.replacing(cache / f"{split}_{field}.npy") as temporary,
                    temporary.open("wb") as file,
                ):
                    np.save(file, array, allow_pickle=False)
    except OSError as error:
        warnings.warn(
            f"decoded images are not cached in {cache} ({error}); the next run decodes "
            "them again. XDG_CACHE_HOME names another place",
            stacklevel=2,
        )
