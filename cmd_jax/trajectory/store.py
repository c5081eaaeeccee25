"""The on-disk format of a trajectory: a directory, time-major, only ever appended to.

==================  ==================================================================
manifest.json       format version, what is recorded, path, shape, dtype and place of
                    every leaf, and a CRC-32 of all that
records.bin         records of a fixed size, one after the other (`layout.py`)
index.bin           16 bytes a record: step, CRC-32 of the record, CRC-32 of the entry
origin.bin          with bf16 deltas: the float leaves of the first record as float32
coordinates.bin     with a sample of weights: their flat coordinates as int64, sorted
==================  ==================================================================

The last two end in their CRC-32. A record counts once its index entry is complete: what
a killed process left behind the last entry or the last record is ignored by readers and
cut off by the next writer.
"""

import zlib
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from cmd_jax import files
from cmd_jax.files import Path
from cmd_jax.trajectory.layout import Layout, layout_from_json, layout_to_json

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
RECORDS = "records.bin"
INDEX = "index.bin"
ORIGIN = "origin.bin"
COORDINATES = "coordinates.bin"

ENTRY = np.dtype([("step", "<i8"), ("record_crc", "<u4"), ("entry_crc", "<u4")])
_CRC_BYTES = 4


def write_manifest(path: Path, layout: Layout) -> None:
    """Writes the manifest of the trajectory directory `path`, atomically."""
    value = {"format_version": FORMAT_VERSION, **layout_to_json(layout)}
    files.write_sealed_json(path / MANIFEST, value)


def read_manifest(path: Path) -> Layout:
    """The layout of the trajectory directory `path`.

    Raises:
      FileNotFoundError: there is nothing at `path`.
      ValueError: it is no trajectory, of another format version, or damaged.
    """
    manifest = path / MANIFEST
    if not path.exists():
        raise FileNotFoundError(f"no trajectory at {path}: looked for {manifest}")
    if not manifest.is_file():
        kind = "a directory without" if path.is_dir() else "a file, no directory with"
        raise ValueError(f"{path} is not a trajectory: it is {kind} {MANIFEST}")
    value = files.read_sealed_json(manifest)
    version = value.get("format_version")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{manifest} has format_version {version!r}; "
            f"this version of cmd_jax reads {FORMAT_VERSION}"
        )
    return layout_from_json(value)


def write_sealed(path: Path, values: np.ndarray) -> None:
    """Writes a flat array followed by its CRC-32, atomically."""
    data = values.tobytes()
    files.write_atomic(path, data + zlib.crc32(data).to_bytes(_CRC_BYTES, "little"))


def _map_sealed(
    path: Path, dtype: Any, size: int, *, verify: bool
) -> Shaped[np.ndarray, " weights"]:
    num_bytes = size * np.dtype(dtype).itemsize
    found = path.stat().st_size if path.exists() else 0
    if found != num_bytes + _CRC_BYTES:
        raise ValueError(
            f"{path} is truncated or missing: it has {found} bytes, expected "
            f"{num_bytes + _CRC_BYTES}; copy it again or remove the trajectory"
        )
    raw = np.memmap(path, np.uint8, mode="r")
    seal = int.from_bytes(raw[num_bytes:].tobytes(), "little")
    if verify and zlib.crc32(raw[:num_bytes].data) != seal:
        raise ValueError(f"{path} is damaged: its contents do not match their crc32")
    return np.asarray(raw[:num_bytes]).view(dtype)


def read_coordinates(
    path: Path, layout: Layout
) -> Int64[np.ndarray, " samples"] | None:
    """The flat coordinates of a sample, or None where whole leaves are recorded."""
    if not isinstance(layout.select, int):
        return None
    return np.array(
        _map_sealed(path / COORDINATES, "<i8", layout.select, verify=True), np.int64
    )


def map_origin(path: Path, layout: Layout, *, verify: bool) -> list[np.ndarray | None]:
    """The first record of a bf16-delta store: float32 for each recorded float leaf."""
    sizes = [leaf.size if leaf.is_float else 0 for leaf in layout.recorded]
    flat = _map_sealed(path / ORIGIN, "<f4", sum(sizes), verify=verify)
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [
        part if leaf.is_float else None
        for part, leaf in zip(parts, layout.recorded, strict=True)
    ]


def make_entry(step: int, record_crc: int) -> bytes:
    """The index entry of one record."""
    entry = np.array((step, record_crc, 0), ENTRY)
    entry["entry_crc"] = zlib.crc32(entry.tobytes()[:-_CRC_BYTES])
    return entry.tobytes()


def read_index(path: Path) -> np.ndarray:
    """The complete entries of the index (a structured array of `ENTRY`).

    Raises:
      ValueError: an entry is damaged; the message names the file and the entry.
    """
    index = path / INDEX
    raw = index.read_bytes() if index.exists() else b""
    raw = raw[: len(raw) // ENTRY.itemsize * ENTRY.itemsize]
    entries = np.frombuffer(raw, ENTRY)
    for number, entry in enumerate(entries):
        if zlib.crc32(entry.tobytes()[:-_CRC_BYTES]) != entry["entry_crc"]:
            raise ValueError(
                f"{index} is damaged at the entry of record {number}; "
                "copy the trajectory again or remove it"
            )
    return entries


def map_records(
    path: Path, record_bytes: int, num_records: int
) -> UInt8[np.ndarray, "records bytes"]:
    """Maps the records into memory, read-only.

    Raises:
      ValueError: the file holds less than `num_records`.
    """
    records = path / RECORDS
    found = records.stat().st_size if records.exists() else 0
    if found < num_records * record_bytes:
        raise ValueError(
            f"{records} is truncated: the index has {num_records} records of "
            f"{record_bytes} bytes, the file ends in record {found // record_bytes}; "
            "copy it again, or resume the run from a checkpoint before that record"
        )
    shape = (num_records, record_bytes)
    if num_records == 0:  # an empty file cannot be mapped
        return np.empty(shape, np.uint8)
    return np.asarray(np.memmap(records, np.uint8, mode="r", shape=shape))


def verify_records(
    path: Path, records: UInt8[np.ndarray, "records bytes"], entries: np.ndarray
) -> None:
    """Raises a ValueError that names the first record that differs from its CRC-32."""
    for number, (record, entry) in enumerate(zip(records, entries, strict=True)):
        if zlib.crc32(record) != entry["record_crc"]:
            raise ValueError(
                f"{path / RECORDS} is damaged in record {number}, step "
                f"{entry['step']}: its bytes do not match their crc32; copy the "
                "trajectory again, or open it with verify=False and skip that record"
            )
