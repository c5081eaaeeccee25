"""Files that survive a kill: atomic writes, appends that undo themselves, locks, seals.

A write goes to a temporary file beside its target, is flushed to the disk and renamed;
an append that fails (full disk) cuts the file back to what it held; a lock is the
operating system's and dies with its process. A sealed JSON file ends in the CRC-32 of
what it says, so that one flipped bit is seen.
"""

import contextlib
import fcntl
import functools
import json
import os
import pathlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

Path = pathlib.Path

_BLOCK = 1 << 20  # bytes


class LockedError(RuntimeError):
    """Another process holds the lock; the message names it."""


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replaces `path` by `content`: readers see the old file or the new, never half."""
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place if the body succeeds.

    Example:
      >>> import pathlib, tempfile
      >>> from cmd_jax.files import replacing
      >>> target = pathlib.Path(tempfile.mkdtemp()) / "table.csv"
      >>> with replacing(target) as temporary:
      ...     _ = temporary.write_text("a,b")
      >>> target.read_text()
      'a,b'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


class Fields(dict[str, Any]):
    """A dict from a file; asked for what it lacks, it raises and names the file.

    Example:
      >>> import pathlib
      >>> from cmd_jax.files import Fields
      >>> Fields(pathlib.Path("results.json"), {"accuracy": 0.5})["loss"]
      Traceback (most recent call last):
        ...
      ValueError: results.json lacks 'loss': another version of cmd_jax wrote it
    """

    def __init__(self, path: Path, values: Mapping[str, Any]):
        super().__init__(values)
        self._path = path

    def __missing__(self, name: str) -> Any:
        raise ValueError(
            f"{self._path} lacks {name!r}: another version of cmd_jax wrote it"
        )


def read_json(path: Path) -> Any:
    """Reads a JSON file; its objects are `Fields`.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not JSON; the message names the path.
    """
    try:
        text = Path(path).read_bytes()
        return json.loads(text, object_hook=functools.partial(Fields, path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file ({error})") from error


def write_sealed_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a dict with its checksum, `"crc32"`, as the last entry, atomically."""
    plain = json.loads(json.dumps(value))  # as it will be read: lists, keys of text
    write_json(path, {**plain, "crc32": _json_crc32(plain)})


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Reads what `write_sealed_json` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is damaged, or was changed by hand; the message names the path.

    Example:
      >>> import pathlib, tempfile
      >>> from cmd_jax.files import read_sealed_json, write_sealed_json
      >>> path = pathlib.Path(tempfile.mkdtemp()) / "results.json"
      >>> write_sealed_json(path, {"accuracy": 0.5})
      >>> read_sealed_json(path)
      {'accuracy': 0.5}
    """
    value = read_json(path)
    found = value.pop("crc32", None) if isinstance(value, dict) else None
    if found is None or found != _json_crc32(value):
        raise ValueError(
            f"{path} is damaged: its contents do not match the crc32 in it; copy it "
            "again, or begin anew"
        )
    return value


def _json_crc32(value: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def crc32(path: Path) -> int:
    """The CRC-32 of a file's bytes, read in blocks."""
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def append(path: Path, *chunks: bytes | memoryview) -> None:
    """Appends the chunks in order and flushes to the disk; all of them or nothing.

    Raises:
      OSError: the disk is full, or the file cannot be written; it is as it was before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        try:
            for chunk in chunks:
                _write_all(handle, memoryview(chunk).cast("B"))
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def _write_all(handle: int, data: memoryview) -> None:
    while data:
        data = data[os.write(handle, data) :]


def truncate(path: Path, size: int) -> None:
    """Cuts a file to at most `size` bytes; an absent file stays absent."""
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)
        _sync(path)


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds an exclusive lock for the body; it is released when the process dies.

    Args:
      path: the lock file; it stays there afterwards.
      wait: wait for the other process instead of raising.

    Raises:
      LockedError: another process holds it; the message names that process.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise LockedError(f"{path} is held by process {owner}") from None
        file.truncate(0)
        file.write(f"{os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield
