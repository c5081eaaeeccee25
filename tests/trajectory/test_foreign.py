"""Other people's runs, written by their own tools, are trajectories like ours."""

import gc
import os
import pathlib
import shutil
import subprocess
import sys
from collections import namedtuple
from typing import Any, NamedTuple

import flax.core
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import save_file

from cmd_jax import modes
from cmd_jax.trajectory import Trajectory, convert

STEPS = (0, 3, 20, 100)


class Layer(NamedTuple):
    kernel: Any
    bias: Any


@flax.struct.dataclass
class Model:
    layers: Any


def make_state(step):
    rng = np.random.default_rng(step)
    params = {
        "dense": {"kernel": rng.normal(size=(3, 2)), "bias": rng.normal(size=2)},
        "layers": [rng.normal(size=4), rng.normal(size=1)],
    }
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    optimizer = optax.chain(optax.add_decayed_weights(0.1), optax.adam(0.1))
    moments = jax.tree.map(lambda x: x + step, optimizer.init(params))
    return {"params": params, "opt_state": moments, "step": step}


def _managed(save):
    def write(folder):
        with ocp.CheckpointManager(folder) as manager:
            for step in STEPS:
                manager.save(step, args=save(make_state(step)))
            manager.wait_until_finished()

    return write


def _prefixed(folder):
    options = ocp.CheckpointManagerOptions(
        step_prefix="ckpt", step_format_fixed_length=5, enable_async_checkpointing=False
    )
    with ocp.CheckpointManager(folder, options=options) as manager:
        for step in STEPS:
            manager.save(step, args=ocp.args.PyTreeSave(make_state(step)))


def _plain(folder):
    with ocp.StandardCheckpointer() as checkpointer:
        for step in STEPS:
            checkpointer.save(folder / f"epoch_{step}", make_state(step))


def _composite(state):
    return ocp.args.Composite(
        state=ocp.args.StandardSave(state), notes=ocp.args.JsonSave({"a": 1})
    )


WRITERS = {
    "StandardSave": _managed(ocp.args.StandardSave),
    "Composite": _managed(_composite),
    "PyTreeSave with a prefix": _prefixed,
    "StandardCheckpointer": _plain,
}


@pytest.fixture(scope="module", params=WRITERS)
def orbax_folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("orbax") / "checkpoints"
    WRITERS[request.param](folder)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orbax") / "checkpoints"
    _plain(folder)
    return folder


def test_orbax_as_it_saves(orbax_folder, assert_trees_equal):
    trajectory = Trajectory.open(orbax_folder, subtree="params")
    assert trajectory.steps.tolist() == list(STEPS)
    for number, step in enumerate(STEPS):
        assert_trees_equal(
            trajectory[number], jax.tree.map(np.asarray, make_state(step)["params"])
        )
    moments = Trajectory.open(orbax_folder, subtree="opt_state/1/0/mu/dense")
    kernel = make_state(20)["opt_state"][1][0].mu["dense"]["kernel"]
    np.testing.assert_array_equal(moments[2]["kernel"], kernel)
    assert str(orbax_folder) in repr(moments)


def test_orbax_in_the_nodes_of_its_writer(saved, assert_trees_equal):
    state = jax.tree.map(np.asarray, make_state(100))
    trajectory = Trajectory.open(saved, like=state)
    assert_trees_equal(trajectory[-1], state)
    assert trajectory.load().steps.tolist() == list(STEPS)


def test_the_whole_of_a_checkpoint_without_like(saved):
    record = Trajectory.open(saved)[1]
    assert record["step"] == 3
    np.testing.assert_array_equal(
        record["params"]["layers"][0], make_state(3)["params"]["layers"][0]
    )


def test_orbax_of_the_new_api(tmp_path, assert_trees_equal):
    v1 = pytest.importorskip("orbax.checkpoint.experimental.v1")
    save = getattr(v1, "save", None) or v1.save_pytree  # the older name
    for step in STEPS:
        save(tmp_path / str(step), make_state(step))
    trajectory = Trajectory.open(tmp_path, subtree="params")
    assert trajectory.steps.tolist() == list(STEPS)
    expected = jax.tree.map(np.asarray, make_state(20)["params"])
    assert_trees_equal(trajectory[2], expected)


def test_several_trees_in_a_checkpoint(tmp_path):
    with ocp.CheckpointManager(tmp_path) as manager:
        for step in STEPS:
            state = make_state(step)
            items = {
                k: ocp.args.StandardSave(state[k]) for k in ("params", "opt_state")
            }
            manager.save(step, args=ocp.args.Composite(**items))
    trajectory = Trajectory.open(tmp_path, subtree="params/dense")
    assert len(jax.tree.leaves(trajectory.template)) == 2
    with pytest.raises(ValueError, match="the trees opt_state, params: name one"):
        Trajectory.open(tmp_path)


def test_a_missing_subtree_lists_what_there_is(saved):
    message = (
        r"epoch_0 cannot be read: .*no subtree 'parms' \(did you mean 'params'\?\)"
    )
    with pytest.raises(ValueError, match=message + ".*opt_state, params, step"):
        Trajectory.open(saved, subtree="parms")


def test_another_structure_than_like_names_the_leaf(saved):
    like = make_state(0)["params"]
    wrong = {**like, "dense": {"kernel": jnp.zeros((3, 9)), "bias": jnp.zeros(2)}}
    with pytest.raises(
        ValueError,
        match=r"'dense/kernel' is float32\[3, 2\] in .*epoch_0 and float32\[3, 9",
    ):
        Trajectory.open(saved, like=wrong, subtree="params")
    with pytest.raises(ValueError, match=r"'layers/0' is .*missing in like"):
        Trajectory.open(saved, like={"dense": like["dense"]}, subtree="params")
    wrong = jax.tree.map(lambda x: x.astype(jnp.bfloat16), like)
    with pytest.raises(ValueError, match=r"is float32.* and bfloat16"):
        Trajectory.open(saved, like=wrong, subtree="params")


# Where a read fails Orbax leaves others behind, which complain of their closed loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_unfinished_damaged_and_single_checkpoints(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    with pytest.raises(ValueError, match=r"epoch_3 is one checkpoint"):
        Trajectory.open(folder / "epoch_3")
    left = folder / "epoch_200.orbax-checkpoint-tmp-17"
    shutil.copytree(folder / "epoch_3", left)
    with pytest.raises(ValueError, match=r"epoch_200\..* is of an unfinished save"):
        Trajectory.open(folder)
    shutil.rmtree(left)
    described = folder / "epoch_3" / "_CHECKPOINT_METADATA"
    whole = described.read_text()
    described.write_text('{"commit_timestamp_nsecs": null}')
    with pytest.raises(ValueError, match=r"epoch_3 is of an unfinished save"):
        Trajectory.open(folder)
    described.write_text(whole)
    for path in (folder / "epoch_3").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"epoch_3 cannot be read"):
        Trajectory.open(folder)
    (folder / "epoch_3" / "_METADATA").unlink()
    with pytest.raises(
        ValueError, match=r"epoch_3 cannot be read: .*no tree of arrays"
    ):
        Trajectory.open(folder)
    gc.collect()  # so that they complain here


def test_texts_in_a_checkpoint_are_left_out_by_subtree(tmp_path):
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "1", {"name": "resnet", "w": jnp.ones(2)})
    with pytest.raises(ValueError, match="'name' is no array: choose a subtree"):
        Trajectory.open(tmp_path)
    assert Trajectory.open(tmp_path, subtree="w")[0].tolist() == [1, 1]


def state_dict(step):
    rng = np.random.default_rng(step)
    return {
        "conv.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "bn.num_batches_tracked": np.array(step),
        "layers.0.bias": rng.normal(size=40).astype(np.float32),
        "layers.2.bias": rng.normal(size=40).astype(np.float32),
    }


@pytest.fixture
def torch_folder(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for epoch in range(1, 13):
        save_file(state_dict(epoch), folder / f"epoch_{epoch}.safetensors")
    return folder


def test_files_in_their_natural_order(torch_folder):
    (torch_folder / "notes.txt").write_text("not a record")
    (torch_folder / "._epoch_1.safetensors").write_text("of a file manager")
    trajectory = Trajectory.open(torch_folder)
    assert trajectory.steps.tolist() == list(range(1, 13))
    counts = [record["bn"]["num_batches_tracked"] for record in trajectory]
    assert counts == list(range(1, 13))
    part = Trajectory.open(torch_folder, subtree="layers/2")
    expected = np.stack([state_dict(e)["layers.2.bias"] for e in range(3, 13, 3)])
    np.testing.assert_array_equal(part[2::3].read(0, 0, 40), expected)


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["a10", "a2", "a1"], [1, 2, 10]),
        (["run7-step030", "run7-step5"], [5, 30]),
        (["first", "second"], [0, 1]),
        (["model-00001-of-2", "model-00002-of-2"], [0, 1]),
        (["last", "x1"], [0, 1]),
        (["0.5", "0.25"], [5, 25]),
        (["a1", "a01"], [0, 1]),
        (["a٣", "a3", "3"], [0, 1, 2]),
        (["1", "9" * 30], [0, 1]),
    ],
)
def test_steps_are_the_last_numbers_of_the_names(tmp_path, names, steps):
    for name in names:
        np.savez(tmp_path / f"{name}.npz", w=np.ones(2))
    assert Trajectory.open(tmp_path).steps.tolist() == steps


def test_like_gives_the_nodes_of_any_library(tmp_path):
    values = [np.full(i + 1, i, np.float32) for i in range(12)]
    saved = {f"layers/{i}/kernel": x for i, x in enumerate(values)}
    saved |= {f"layers/{i}/bias": x[:1] for i, x in enumerate(values)}
    save_file(saved, tmp_path / "0.safetensors")
    layers = [Layer(x, x[:1]) for x in values]  # a list of 12: "10" sorts before "2"
    nodes = (
        flax.core.freeze({"layers": layers}),
        Model(layers),
        namedtuple("Model", "layers")(tuple(layers)),
    )
    for like in nodes:
        record = Trajectory.open(tmp_path, like=like)[0]
        assert jax.tree.structure(record) == jax.tree.structure(like)
        assert jax.tree.all(jax.tree.map(np.array_equal, record, like))


def test_folders_that_are_refused(torch_folder, tmp_path):
    np.savez(torch_folder / "x.npz", w=np.ones(2))
    with pytest.raises(ValueError, match=r"both|\.safetensors files and \.npz files"):
        Trajectory.open(torch_folder)
    (torch_folder / "x.npz").unlink()
    save_file({"other": np.ones(3)}, torch_folder / "epoch_5.safetensors")
    with pytest.raises(
        ValueError, match=r"epoch_5\.safetensors .*of different networks"
    ):
        Trajectory.open(torch_folder)
    empty = tmp_path / "pickles"
    empty.mkdir()
    (empty / "model.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match="never read"):
        Trajectory.open(empty)
    np.savez(empty / "a.npz", text=np.array(["word"]))
    with pytest.raises(TypeError, match=r"a\.npz: leaf 'text' is <U4"):
        Trajectory.open(empty)
    with pytest.raises(FileNotFoundError, match="absent"):
        convert(tmp_path / "absent", tmp_path / "into")


def test_convert_keeps_a_copy_or_leaves_nothing(torch_folder, tmp_path):
    into = tmp_path / "kept" / "trajectory"
    converted = convert(torch_folder, into)
    assert list(into.parent.iterdir()) == [into]
    reopened = Trajectory.open(into)
    for leaf in range(4):
        np.testing.assert_array_equal(
            reopened.read(leaf, 0, 40), converted.read(leaf, 0, 40)
        )
    with pytest.raises(ValueError, match="is a trajectory already"):
        convert(into, tmp_path / "again")
    with pytest.raises(FileExistsError, match="trajectory exists already"):
        convert(torch_folder, into)
    (torch_folder / "epoch_7.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"epoch_7\.safetensors cannot be read"):
        convert(torch_folder, tmp_path / "kept" / "other")
    assert list(into.parent.iterdir()) == [into]


def test_a_copy_that_does_not_fit_is_refused(torch_folder, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="set TMPDIR"):
        Trajectory.open(torch_folder)


def test_a_foreign_run_is_decomposed_like_its_stack(torch_folder, key):
    options = {"num_modes": 2, "num_samples": 60, "key": key}
    trajectory = Trajectory.open(torch_folder)
    opened = modes.decompose(trajectory[1:], **options)
    stacked = modes.decompose(trajectory.load()[1:], **options)
    np.testing.assert_array_equal(opened.references, stacked.references)
    assert opened.mean_r_squared == stacked.mean_r_squared


def test_opening_takes_no_memory_and_leaves_no_file(tmp_path):
    script = """
import os, re, sys
from cmd_jax.trajectory import Trajectory

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1])

Trajectory.open(sys.argv[1] + "/small")
before = anonymous()
stored = Trajectory.open(sys.argv[1] + "/large")
blocks = (stored.read(0, i, i + 10_000) for i in range(0, 10**6, 10_000))
total = sum(block.sum(dtype=float) for block in blocks)
print(total, anonymous() - before, len(os.listdir(sys.argv[2])))
"""
    for name, size in (("small", 10), ("large", 10**6)):
        (tmp_path / name).mkdir()
        for step in range(24):
            values = {"w": np.full(size, step, np.float32)}
            save_file(values, tmp_path / name / f"{step}.safetensors")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(scratch)],
        capture_output=True,
        text=True,
        check=True,
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    total, grown_kilobytes, left = map(float, done.stdout.split())
    assert total == 10**6 * 23 * 24 / 2
    assert grown_kilobytes < 24_000  # of a history of 96 MB
    assert left == 0
