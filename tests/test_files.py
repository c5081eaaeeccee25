import os
import resource
import signal
import subprocess
import sys

import pytest

from cmd_jax import files


def run(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_write_atomic_replaces(tmp_path):
    path = tmp_path / "new" / "file"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_write_atomic_respects_the_umask(tmp_path):
    umask = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "file", "x")
    finally:
        os.umask(umask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_kill_in_the_middle_of_a_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    script = """
import os, pathlib, signal, sys
from cmd_jax import files
with files.replacing(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(script, path).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_error_in_the_middle_of_a_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write_half():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_round_trip(tmp_path):
    value = {"a": [1, 2.5, None, "é"], "b": {}}
    files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == value


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "x.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_json_that_is_none_names_the_path(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json is not a JSON file"):
        files.read_json(path)


def test_append_keeps_the_order(tmp_path):
    path = tmp_path / "new" / "file"
    files.append(path, b"one ", memoryview(b"two "))
    files.append(path, b"three")
    assert path.read_bytes() == b"one two three"


def test_append_goes_on_after_short_writes(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(files.os, "write", lambda handle, data: write(handle, data[:3]))
    files.append(tmp_path / "file", b"0123456789", b"abcd")
    assert (tmp_path / "file").read_bytes() == b"0123456789abcd"


def test_append_beyond_the_limit_leaves_the_old_content(tmp_path):
    """The operating system's limit on a file's size stands for a full disk."""
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    script = f"""
import pathlib, resource, sys
from cmd_jax import files
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, {resource.RLIM_INFINITY}))
try:
    files.append(pathlib.Path(sys.argv[1]), b"x" * 400, b"y" * 400)
except OSError as error:
    print(error.strerror)
"""
    assert "File too large" in run(script, path).stdout
    assert path.read_bytes() == bytes(1000)


def test_append_whose_flush_fails_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.append(path, b"old")

    def fail(handle):
        raise OSError("Input/output error")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        files.append(path, b"new")
    assert path.read_bytes() == b"old"


def test_truncate_only_ever_shortens(tmp_path):
    path = tmp_path / "file"
    files.truncate(path, 3)
    assert not path.exists()
    path.write_bytes(b"0123456789")
    for size, left in ((20, 10), (4, 4)):
        files.truncate(path, size)
        assert path.stat().st_size == left


@pytest.fixture
def lock_owner(tmp_path):
    """A process that holds the lock `tmp_path / "lock"` until its input ends."""
    script = """
import pathlib, sys
from cmd_jax import files
with files.lock(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as owner:
        assert owner.stdout.readline() == "locked\n"
        yield owner
        owner.kill()


def test_lock_is_exclusive(tmp_path, lock_owner):
    expected = f"held by process {lock_owner.pid} on"
    with pytest.raises(files.LockedError, match=expected):
        files.lock(tmp_path / "lock").__enter__()


def test_lock_dies_with_its_process(tmp_path, lock_owner):
    lock_owner.kill()
    lock_owner.wait()
    with files.lock(tmp_path / "lock"):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


def test_lock_can_be_waited_for(tmp_path, lock_owner):
    lock_owner.stdin.close()
    with files.lock(tmp_path / "lock", wait=True):
        assert lock_owner.wait() == 0


def test_lock_is_free_after_its_body(tmp_path):
    for _ in range(2):
        with files.lock(tmp_path / "lock"):
            assert (tmp_path / "lock").exists()
