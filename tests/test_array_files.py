"""Files of named arrays: names become dicts, damage and objects are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from cmd_jax import trees
from cmd_jax.checkpoints import read_npz, read_safetensors


def save_npz(values, path):
    np.savez(path, **values)


def save_compressed(values, path):
    np.savez_compressed(path, **values)


FORMATS = pytest.mark.parametrize(
    ("save", "read", "suffix"),
    [
        (save_file, read_safetensors, ".safetensors"),
        (save_npz, read_npz, ".npz"),
        (save_compressed, read_npz, ".npz"),
    ],
    ids=["safetensors", "npz", "npz compressed"],
)


@FORMATS
def test_names_become_nested_dicts(tmp_path, save, read, suffix):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = tmp_path / f"x{suffix}"
    save({"layer1.0.weight": weight, "layer1.0.bias": weight[0], "n": weight[:1]}, path)
    tree = read(path, None)
    assert trees.leaf_names(tree) == ("layer1/0/bias", "layer1/0/weight", "n")
    np.testing.assert_array_equal(tree["layer1"]["0"]["weight"], weight)
    np.testing.assert_array_equal(read(path, "layer1/0/weight"), weight)
    assert jax.tree.structure(read(path, "layer1")) == jax.tree.structure(
        tree["layer1"]
    )
    with pytest.raises(ValueError, match=r"no subtree 'layer' \(did you mean 'layer1'"):
        read(path, "layer")


@FORMATS
def test_dots_are_kept_where_a_name_has_a_slash(tmp_path, save, read, suffix):
    save({"a.b/c": np.ones(1), "d.e": np.ones(2)}, tmp_path / f"x{suffix}")
    tree = read(tmp_path / f"x{suffix}", None)
    assert trees.leaf_names(tree) == ("a.b/c", "d.e")


@FORMATS
def test_a_name_below_another_is_refused(tmp_path, save, read, suffix):
    path = tmp_path / f"x{suffix}"
    for names in (("a", "a.b"), ("a.b", "a")):
        save({name: np.ones(1) for name in names}, path)
        with pytest.raises(ValueError, match=rf"x{suffix} cannot be read: 'a"):
            read(path, None)


@pytest.mark.parametrize(
    "dtype", [jnp.bfloat16, np.float16, np.float64, np.int64, bool]
)
def test_dtypes_of_safetensors(tmp_path, dtype):
    values = np.array([[1.5, 0.0], [2.0, 3.0]]).astype(dtype)
    save_file({"w": values, "scalar": values[0, 0, ...]}, tmp_path / "x.safetensors")
    tree = read_safetensors(tmp_path / "x.safetensors", None)
    assert tree["w"].dtype == dtype
    assert tree["scalar"].shape == ()
    np.testing.assert_array_equal(tree["w"], values)


@FORMATS
def test_no_damage_is_a_stack_trace_or_another_structure(tmp_path, save, read, suffix):
    """Cut at random places, or with a random byte changed: named, or the same names."""
    path = tmp_path / f"x{suffix}"
    values = {"a.w": np.arange(50.0), "b": np.arange(20, dtype=np.int32)}
    save(values, path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for trial in range(40):
        data, place = bytearray(whole), int(rng.integers(len(whole)))
        if trial % 2:
            data = data[:place]
        else:
            data[place] ^= 0x21
        path.write_bytes(data)
        try:
            read(path, None)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused >= 20


def test_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"x\.npz cannot be read: Object arrays"):
        read_npz(path, None)
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(ValueError, match=r"x\.npz cannot be read"):
        read_npz(path, None)


def test_an_npy_file_is_no_npz(tmp_path):
    with open(tmp_path / "x.npz", "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match=r"x\.npz cannot be read"):
        read_npz(tmp_path / "x.npz", None)
