"""Files that survive a kill: atomic writes, appends that undo themselves, locks.

A write goes to a temporary file beside its target, is flushed to the disk and renamed;
an append that fails (full disk) cuts the file back to what it held; a lock is the
operating system's and dies with its process.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

Path = pathlib.Path


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


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is not JSON; the message names the path.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file ({error})") from error


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
