import errno
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import files
from cmd_jax.trajectory import Trajectory, TrajectoryWriter, store

OPTIONS = {
    "all": {},
    "deltas": {"dtype": "bfloat16_delta"},
    "pattern": {"select": "*/kernel"},
    "sample": {"select": 6, "key": jax.random.key(5)},
}
FILES = (store.RECORDS, store.INDEX)

# Writes 6 records; the given call of os.write writes half of its bytes and the process
# is killed.
KILLED = """
import os, signal, sys
import numpy as np
from cmd_jax.trajectory import TrajectoryWriter

path, kill_at, dtype = sys.argv[1], int(sys.argv[2]), sys.argv[3]
write, calls = os.write, 0

def dying_write(handle, data):
    global calls
    calls += 1
    if calls == kill_at:
        write(handle, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return write(handle, data)

os.write = dying_write
make = lambda step: {"w": np.linspace(0, step, 50, dtype=np.float32)}
writer = TrajectoryWriter.create(path, make(0), dtype=dtype)
for step in range(6):
    writer.append(step, make(step))
"""


@pytest.fixture(params=OPTIONS)
def options(request):
    return OPTIONS[request.param]


def test_resume_ends_like_an_uninterrupted_run(
    tmp_path, write_store, make_params, options
):
    write_store(tmp_path / "whole", steps=range(6), **options)
    write_store(tmp_path / "cut", steps=range(5), **options)
    resumable = {name: value for name, value in options.items() if name != "key"}
    writer = TrajectoryWriter.resume(
        tmp_path / "cut", make_params(0), last_step=2, **resumable
    )
    assert (writer.num_records, writer.last_step) == (3, 2)
    for step in range(3, 6):
        writer.append(step, make_params(step))
    for path in sorted((tmp_path / "whole").iterdir()):
        assert path.read_bytes() == (tmp_path / "cut" / path.name).read_bytes()


def test_resume_before_the_first_record(tmp_path, write_store, make_params):
    write_store(tmp_path, dtype="bfloat16_delta")
    writer = TrajectoryWriter.resume(
        tmp_path, make_params(0), dtype="bfloat16_delta", last_step=-1
    )
    assert writer.num_records == 0
    writer.append(7, make_params(7))
    first = Trajectory.open(tmp_path)[0]
    np.testing.assert_array_equal(
        first["dense"]["kernel"], make_params(7)["dense"]["kernel"]
    )


# A record of 50 float32 is one leaf and one padding: its writes are 3k + 1 and 3k + 2,
# that of its index entry 3k + 3.
@pytest.mark.parametrize(
    ("kill_at", "num_records", "dtype"),
    [
        (1, 0, "float32"),
        (3, 0, "bfloat16_delta"),
        (8, 2, "float32"),
        (9, 2, "bfloat16_delta"),
        (16, 5, "float32"),
    ],
)
def test_killed_in_the_middle_of_a_write(tmp_path, kill_at, num_records, dtype):
    def make(step):
        return {"w": np.linspace(0, step, 50, dtype=np.float32)}

    arguments = [str(tmp_path / "killed"), str(kill_at), dtype]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -9
    assert len(Trajectory.open(tmp_path / "killed")) == num_records
    writer = TrajectoryWriter.resume(
        tmp_path / "killed", make(0), dtype=dtype, last_step=5
    )
    whole = TrajectoryWriter.create(tmp_path / "whole", make(0), dtype=dtype)
    assert writer.num_records == num_records
    for step in range(6):
        whole.append(step, make(step))
        if step >= num_records:
            writer.append(step, make(step))
    for path in sorted((tmp_path / "whole").iterdir()):
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()


@pytest.mark.parametrize("free", [0, 100, 255, 256, 260])
def test_full_disk_keeps_the_records_and_can_go_on(
    tmp_path, write_store, make_params, monkeypatch, free
):
    """The disk takes `free` more bytes: it is full in the record, or in its entry."""
    write_store(tmp_path / "whole", steps=range(4))
    writer = write_store(tmp_path / "full", steps=range(3))
    room, write = free, os.write

    def full(handle, data):
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room -= (written := write(handle, data[:room]))
        return written

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            writer.append(3, make_params(3))
    assert writer.num_records == 3
    assert Trajectory.open(tmp_path / "full").steps.tolist() == [0, 1, 2]
    writer.append(3, make_params(3))
    for name in FILES:
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "full" / name).read_bytes() == whole


def test_create_refuses_what_exists(tmp_path, write_store, make_params):
    write_store(tmp_path)
    with pytest.raises(FileExistsError, match="resume it"):
        TrajectoryWriter.create(tmp_path, make_params(0))


def test_create_clears_what_a_killed_create_left(tmp_path, write_store):
    (tmp_path / store.RECORDS).write_bytes(b"rest")
    write_store(tmp_path)
    assert len(Trajectory.open(tmp_path)) == 4


def test_steps_increase(tmp_path, write_store, make_params):
    writer = write_store(tmp_path)
    for step in (3, 0, -1):
        with pytest.raises(ValueError, match=f"step={step} does not come after 3"):
            writer.append(step, make_params(0))


def test_append_of_another_network_writes_nothing(tmp_path, write_store):
    writer = write_store(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in FILES]
    with pytest.raises(ValueError, match="'counter' is missing in the parameters of"):
        writer.append(9, {"dense": {}})
    assert [(tmp_path / name).read_bytes() for name in FILES] == before


def test_jax_arrays_and_strided_arrays(tmp_path, write_store, make_params):
    write_store(tmp_path / "numpy", steps=[0])
    params = jax.tree.map(jnp.asarray, make_params(0))
    params["dense"]["kernel"] = np.asfortranarray(make_params(0)["dense"]["kernel"])
    TrajectoryWriter.create(tmp_path / "jax", params).append(0, params)
    expected = (tmp_path / "numpy" / store.RECORDS).read_bytes()
    assert (tmp_path / "jax" / store.RECORDS).read_bytes() == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"select": "*/kernel"}, "select=None, not '\\*/kernel'"),
        ({"dtype": "bfloat16_delta"}, "dtype='float32', not 'bfloat16_delta'"),
    ],
)
def test_resume_of_another_selection(
    tmp_path, write_store, make_params, changed, message
):
    write_store(tmp_path)
    with pytest.raises(ValueError, match=message):
        TrajectoryWriter.resume(tmp_path, make_params(0), last_step=0, **changed)
    assert len(Trajectory.open(tmp_path)) == 4


def test_resume_of_another_network(tmp_path, write_store, make_params):
    write_store(tmp_path)
    like = make_params(0)
    del like["used"]
    with pytest.raises(ValueError, match="'used' is missing in the network to resume"):
        TrajectoryWriter.resume(tmp_path, like, last_step=0)


def test_resume_of_nothing(tmp_path, make_params):
    with pytest.raises(FileNotFoundError, match="no trajectory"):
        TrajectoryWriter.resume(tmp_path / "absent", make_params(0), last_step=0)


def test_resume_repairs_records_lost_after_the_checkpoint(
    tmp_path, write_store, make_params
):
    write_store(tmp_path)
    with open(tmp_path / store.RECORDS, "r+b") as file:
        file.truncate(2 * 256 + 10)
    with pytest.raises(ValueError, match="truncated"):
        TrajectoryWriter.resume(tmp_path, make_params(0), last_step=3)
    writer = TrajectoryWriter.resume(tmp_path, make_params(0), last_step=1)
    assert writer.num_records == 2
    assert len(Trajectory.open(tmp_path)) == 2
