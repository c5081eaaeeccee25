"""Checkpoints: the last two are kept, damage and strangers are refused by path."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cmd_jax.checkpoints import Checkpoints, DamagedError


@pytest.fixture
def tree():
    params = {"dense": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}}
    return [{"params": params, "optimizer": optax.adam(0.1).init(params), "none": {}}]


def test_a_state_comes_back_bitwise_in_its_own_structure(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() is None
    checkpoints.save(4, tree)
    again = Checkpoints(tmp_path / "c")
    restored = again.restore(again.latest(), tree)
    assert type(restored[0]["optimizer"][0]) is type(tree[0]["optimizer"][0])
    kernel = restored[0]["params"]["dense"]["kernel"]
    np.testing.assert_array_equal(kernel, tree[0]["params"]["dense"]["kernel"])


def test_the_last_two_are_kept(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    for step in (1, 2, 3):
        checkpoints.save(step, tree)
    assert {p.name for p in (tmp_path / "c").iterdir() if p.name.isdigit()} == {
        "2",
        "3",
    }
    assert checkpoints.latest() == 3


def test_a_checkpoint_of_another_network_names_the_array(tmp_path, tree):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, tree)
    tree[0]["params"]["dense"]["bias"] = jnp.ones(4)
    with pytest.raises(
        ValueError, match=r"c/1 is of another run: '0/params/dense/bias'"
    ):
        checkpoints.restore(1, tree)
    with pytest.raises(ValueError, match="expected none"):
        checkpoints.restore(1, [{"params": tree[0]["params"]}])


def _files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_one_flipped_bit_in_any_file_is_refused_by_its_path(tmp_path, tree):
    Checkpoints(tmp_path / "c").save(1, tree)
    for path in _files_of(tmp_path / "c" / "1"):
        content = path.read_bytes()
        if content:
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(DamagedError, match=r"c/1 is damaged"):
                Checkpoints(tmp_path / "c").restore(1, tree)
            path.write_bytes(content)
    Checkpoints(tmp_path / "c").restore(1, tree)


def test_resume_takes_the_one_before_a_damaged_one_and_removes_that(tmp_path, tree):
    folder = tmp_path / "c"
    checkpoints = Checkpoints(folder)
    assert checkpoints.resume(lambda step: tree) is None
    checkpoints.save(1, tree)
    checkpoints.save(2, jax.tree.map(lambda x: x + 1, tree))
    max(_files_of(folder / "2"), key=lambda path: path.stat().st_size).unlink()
    resumed = Checkpoints(folder).resume(lambda step: tree)
    assert resumed.step == 1
    assert "c/2 is damaged" in resumed.damaged[0]
    jax.tree.map(np.testing.assert_array_equal, resumed.tree, tree)
    assert not (folder / "2").exists()


def test_resume_refuses_where_none_is_good(tmp_path, tree):
    folder = tmp_path / "c"
    Checkpoints(folder).save(1, tree)
    max(_files_of(folder), key=lambda path: path.stat().st_size).write_bytes(b"")
    with pytest.raises(DamagedError, match=r"c/1 is damaged.*--overwrite"):
        Checkpoints(folder).resume(lambda step: tree)
    assert (folder / "1").exists()


def test_what_an_unfinished_save_left_is_no_checkpoint_and_removed(tmp_path, tree):
    folder = tmp_path / "c"
    Checkpoints(folder).save(1, tree)
    Checkpoints(folder).save(2, tree)
    (folder / "2" / "checksums.json").unlink()
    (folder / "3.orbax-checkpoint-tmp").mkdir()
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest() == 1
    assert checkpoints.resume(lambda step: tree).step == 1
    assert [path.name for path in folder.iterdir()] == ["1"]
    checkpoints.save(2, tree)
    assert checkpoints.latest() == 2
