import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax.trajectory import Trajectory, TrajectoryWriter


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def test_float32_round_trip(tmp_path, write_store, make_params, assert_trees_equal):
    write_store(tmp_path, steps=range(0, 40, 10))
    stored = Trajectory.open(tmp_path)
    assert len(stored) == 4
    assert stored.steps.tolist() == [0, 10, 20, 30]
    assert stored.coordinates is None
    for number in (0, 3, -1):
        assert_trees_equal(stored[number], make_params(10 * (number % 4)))
    expected = Trajectory.stack(map(make_params, stored.steps), steps=stored.steps)
    assert_trees_equal(stored.load(), expected)
    assert stored.template == expected.template


def test_same_interface_as_in_memory(tmp_path, write_store):
    write_store(tmp_path, steps=range(6))
    stored = Trajectory.open(tmp_path)[1:][::2]
    memory = stored.load()
    assert stored.steps.tolist() == memory.steps.tolist() == [1, 3, 5]
    offsets = np.array([2, 0])
    for leaf in (1, 2, 3):
        np.testing.assert_array_equal(stored.read(leaf, 0, 2), memory.read(leaf, 0, 2))
    np.testing.assert_array_equal(stored.gather(2, offsets), memory.gather(2, offsets))
    np.testing.assert_array_equal(
        stored.gather(2, jnp.asarray(offsets)), memory.gather(2, offsets)
    )


def test_reads_do_not_leave_their_leaf(tmp_path, write_store):
    write_store(tmp_path)
    assert Trajectory.open(tmp_path).read(1, 0, 1000).shape == (4, 3)


def test_reads_share_the_map_and_records_are_owned(tmp_path, write_store):
    write_store(tmp_path)
    stored = Trajectory.open(tmp_path)
    block = stored[1:].read(2, 3, 9)
    assert np.shares_memory(block, stored.read(2, 0, 15))
    assert not block.flags.writeable
    record = stored[2]["dense"]["kernel"]
    assert not np.shares_memory(record, stored.read(2, 0, 15))
    record += 1


def test_is_not_a_pytree(tmp_path, write_store):
    write_store(tmp_path)
    stored = Trajectory.open(tmp_path)
    assert jax.tree.leaves(stored) == [stored]
    assert "records=4, weights=21" in repr(stored)


def test_deltas_are_exact_at_the_start_and_fine_near_it(
    tmp_path, write_store, make_params
):
    write_store(tmp_path, steps=range(5), dtype="bfloat16_delta")
    stored = Trajectory.open(tmp_path)
    memory = Trajectory.stack(map(make_params, range(5)))
    kernel, expected = stored.read(2, 0, 15), memory.read(2, 0, 15)
    np.testing.assert_array_equal(kernel[0], expected[0])
    motion = np.abs(expected - expected[0])
    # bfloat16 has 8 bits of precision: of the motion (~ 1), not of the weights (~ 100).
    np.testing.assert_array_less(np.abs(kernel - expected), 2.0**-8 * motion + 1e-5)
    np.testing.assert_array_equal(stored.read(0, 0, 1).ravel(), range(5))
    np.testing.assert_array_equal(stored[1:].read(2, 0, 15), kernel[1:])
    np.testing.assert_array_equal(stored.gather(2, np.array([3])), kernel[:, [3]])
    assert stored[3]["dense"]["kernel"].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float64, jnp.bfloat16])
def test_other_floats_are_lossless_and_read_as_float32(tmp_path, dtype):
    values = np.array([1 / 3, 2 / 3]).astype(dtype)
    TrajectoryWriter.create(tmp_path, {"w": values}).append(0, {"w": values})
    stored = Trajectory.open(tmp_path)
    assert stored[0]["w"].dtype == dtype
    np.testing.assert_array_equal(stored[0]["w"], values)
    block = stored.read(0, 0, 2)
    assert block.dtype == np.float32
    np.testing.assert_array_equal(block[0], values.astype(np.float32))


def test_pattern(tmp_path, write_store, make_params):
    write_store(tmp_path, select="*/kernel")
    stored = Trajectory.open(tmp_path)
    assert stored[2]["dense"]["bias"] is None
    kernel = make_params(2)["dense"]["kernel"]
    np.testing.assert_array_equal(stored[2]["dense"]["kernel"], kernel)
    assert len(jax.tree.leaves(stored.template)) == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16_delta"])
def test_sample(tmp_path, write_store, make_params, dtype):
    write_store(tmp_path, select=7, key=jax.random.key(0), dtype=dtype)
    stored = Trajectory.open(tmp_path, like=make_params(0))
    coordinates = jax.tree.leaves(stored.coordinates)
    assert sum(offsets.size for offsets in coordinates) == 7
    assert jax.tree.structure(stored.coordinates) == jax.tree.structure(stored.template)
    flat = [make_params(0)["dense"][name].ravel() for name in ("bias", "kernel")]
    found = [stored[0]["dense"][name] for name in ("bias", "kernel")]
    offsets = [stored.coordinates["dense"][name] for name in ("bias", "kernel")]
    for leaf, values, index in zip(flat, found, offsets, strict=True):
        np.testing.assert_array_equal(values, leaf[index])
    loaded = stored.load().coordinates
    assert jax.tree.all(jax.tree.map(np.array_equal, loaded, stored.coordinates))


def test_tuples_become_lists_unless_like_is_given(tmp_path):
    params = {"layers": (np.zeros(2), Pair(np.ones(1), np.ones(3)))}
    TrajectoryWriter.create(tmp_path / "pairs", params).append(0, params)
    with pytest.raises(ValueError, match="as like"):
        Trajectory.open(tmp_path / "pairs")
    record = Trajectory.open(tmp_path / "pairs", like=params)[0]
    assert jax.tree.structure(record) == jax.tree.structure(params)
    params = {"layers": (np.zeros(2), np.ones(3))}
    TrajectoryWriter.create(tmp_path / "plain", params).append(0, params)
    assert isinstance(Trajectory.open(tmp_path / "plain")[0]["layers"], list)


def test_without_records(tmp_path, make_params):
    for dtype in ("float32", "bfloat16_delta"):
        TrajectoryWriter.create(tmp_path / dtype, make_params(0), dtype=dtype)
        stored = Trajectory.open(tmp_path / dtype)
        assert len(stored) == 0
        assert stored.read(2, 0, 4).shape == (0, 4)
        assert len(stored.load()) == 0


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16_delta"}, {"select": 12}])
def test_a_subtree_is_the_same_part_of_each_record(
    tmp_path, write_store, assert_trees_equal, options
):
    key = {"key": jax.random.key(0)} if "select" in options else {}
    write_store(tmp_path, **options, **key)
    whole, part = Trajectory.open(tmp_path), Trajectory.open(tmp_path, subtree="dense")
    assert part.template == whole.template["dense"]
    assert_trees_equal(part.load().params, whole.load().params["dense"])
    if whole.coordinates is not None:
        expected = whole.coordinates["dense"]
        assert jax.tree.all(jax.tree.map(np.array_equal, part.coordinates, expected))
    kernel = Trajectory.open(tmp_path, subtree="dense/kernel")
    np.testing.assert_array_equal(kernel[-1], whole[-1]["dense"]["kernel"])


def test_a_subtree_that_is_not_there(tmp_path, write_store, make_params):
    write_store(tmp_path, select="*/kernel")
    with pytest.raises(ValueError, match=r"no subtree 'dens' .*counter, dense, used"):
        Trajectory.open(tmp_path, subtree="dens")
    with pytest.raises(ValueError, match="no records of the subtree 'used'"):
        Trajectory.open(tmp_path, subtree="used")
    like = make_params(0)["dense"]
    part = Trajectory.open(tmp_path, like=like, subtree="dense")
    assert part[0]["bias"] is None


def test_another_network_is_named(tmp_path, write_store, make_params):
    write_store(tmp_path)
    like = make_params(0)
    like["dense"]["kernel"] = np.zeros((5, 4), np.float32)
    with pytest.raises(ValueError, match=r"'dense/kernel' is float32\[5, 4\] in like"):
        Trajectory.open(tmp_path, like=like)


def test_reading_a_large_history_takes_no_memory(tmp_path):
    script = """
import re, sys
import numpy as np
from cmd_jax.trajectory import Trajectory

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])

stored = Trajectory.open(sys.argv[1])
before = anonymous()
total = 0.0
for start in range(0, 250_000, 1000):
    total += stored.read(0, start, start + 1000).sum(dtype=np.float64)
stored[3], stored[1:], stored.gather(0, np.arange(0, 250_000, 1000))
print(total, anonymous() - before)
"""
    writer = TrajectoryWriter.create(tmp_path, {"w": np.zeros(250_000, np.float32)})
    for step in range(64):
        writer.append(step, {"w": np.full(250_000, step, np.float32)})
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    total, grown_kilobytes = map(float, done.stdout.split())
    assert total == 250_000 * 63 * 64 / 2
    assert grown_kilobytes < 8_000  # of a history of 64 MB
