import jax
import numpy as np
import pytest

from cmd_jax import files
from cmd_jax.trajectory import Trajectory, store


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no trajectory at .*manifest\.json"):
        Trajectory.open(tmp_path / "absent")


def test_not_a_trajectory(tmp_path):
    with pytest.raises(ValueError, match="not a trajectory: it is a directory without"):
        Trajectory.open(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="not a trajectory: it is a file"):
        Trajectory.open(tmp_path / "file")


@pytest.mark.parametrize("text", ["", "[]", '{"format_version": 1}', "\x00\xff"])
def test_manifest_that_is_none(tmp_path, write_store, text):
    write_store(tmp_path)
    (tmp_path / store.MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json"):
        Trajectory.open(tmp_path)


def test_unknown_format_version(tmp_path, write_store):
    write_store(tmp_path)
    manifest = tmp_path / store.MANIFEST
    value = files.read_sealed_json(manifest)
    files.write_sealed_json(manifest, {**value, "format_version": 2})
    with pytest.raises(ValueError, match=r"format_version 2; .* reads 1"):
        Trajectory.open(tmp_path)


def test_edited_manifest(tmp_path, write_store):
    write_store(tmp_path)
    manifest = tmp_path / store.MANIFEST
    manifest.write_text(manifest.read_text().replace("kernel", "kermel"))
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        Trajectory.open(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 3 * 256, 4 * 256 - 1])
def test_truncated_records(tmp_path, write_store, keep):
    write_store(tmp_path)
    with open(tmp_path / store.RECORDS, "r+b") as file:
        file.truncate(keep)
    message = rf"records\.bin is truncated: .* ends in record {keep // 256}"
    with pytest.raises(ValueError, match=message):
        Trajectory.open(tmp_path)


def test_absent_records(tmp_path, write_store):
    write_store(tmp_path)
    (tmp_path / store.RECORDS).unlink()
    with pytest.raises(ValueError, match=r"records\.bin is truncated"):
        Trajectory.open(tmp_path)


def test_what_a_kill_left_behind_is_ignored(
    tmp_path, write_store, make_params, assert_trees_equal
):
    write_store(tmp_path)
    for name, tail in ((store.RECORDS, 300), (store.INDEX, store.ENTRY.itemsize - 1)):
        with open(tmp_path / name, "ab") as file:
            file.write(bytes(tail))
    stored = Trajectory.open(tmp_path)
    assert len(stored) == 4
    assert_trees_equal(stored[3], make_params(3))


def test_damaged_record_is_named(tmp_path, write_store):
    write_store(tmp_path, steps=[0, 5, 10])
    flip(tmp_path / store.RECORDS, 256 + 130)
    with pytest.raises(
        ValueError, match=r"records\.bin is damaged in record 1, step 5"
    ):
        Trajectory.open(tmp_path)
    assert len(Trajectory.open(tmp_path, verify=False)) == 3


def test_damaged_index_is_named(tmp_path, write_store):
    write_store(tmp_path)
    flip(tmp_path / store.INDEX, 2 * store.ENTRY.itemsize + 3)
    with pytest.raises(ValueError, match=r"index\.bin is damaged at .* record 2"):
        Trajectory.open(tmp_path, verify=False)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (store.ORIGIN, {"dtype": "bfloat16_delta"}),
        (store.COORDINATES, {"select": 5, "key": jax.random.key(0)}),
    ],
)
def test_damaged_side_file_is_named(tmp_path, write_store, name, options):
    write_store(tmp_path, **options)
    flip(tmp_path / name, 9)
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        Trajectory.open(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is truncated or missing"):
        Trajectory.open(tmp_path)


def test_no_damaged_byte_gives_a_wrong_answer(
    tmp_path, write_store, make_params, assert_trees_equal
):
    """Every file, 60 random bytes: a named error, or the same records."""
    write_store(tmp_path, dtype="bfloat16_delta", select=9, key=jax.random.key(1))
    expected = Trajectory.open(tmp_path).load()
    rng = np.random.default_rng(0)
    paths = sorted(path for path in tmp_path.iterdir())
    assert len(paths) == 5
    errors = 0
    for trial in range(60):
        path = paths[trial % len(paths)]
        position = int(rng.integers(path.stat().st_size))
        flip(path, position)
        try:
            assert_trees_equal(Trajectory.open(tmp_path).load(), expected)
        except ValueError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017
            errors += 1
        flip(path, position)
    assert errors > 50
