"""`--export`: networks that other tools read, of runs that are not run again."""

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import cmd_jax
from cmd_jax.trajectory import Trajectory


def test_a_finished_run_is_exported_and_not_redone(finished, run_main, tmp_path):
    before = (finished / "seed_0" / "results.json").stat().st_mtime_ns
    folder = tmp_path / "made" / "networks"
    arguments = ("--config", "digits:smoke", "--config.train.chunk_steps=20")
    assert run_main(finished.parent, *arguments, "--export", str(folder)) == 0
    assert (finished / "seed_0" / "results.json").stat().st_mtime_ns == before
    names = ["seed_0.safetensors", "seed_1.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    exported = Trajectory.open(folder)
    assert exported.steps.tolist() == [0, 1]
    for seed in (0, 1):
        recorded = Trajectory.open(finished / f"seed_{seed}" / "trajectory")
        same = jax.tree.map(np.array_equal, exported[seed], recorded[-1])
        assert jax.tree.all(same)
        plain = load_file(folder / names[seed])
        kernel = recorded[-1]["dense_0"]["kernel"]
        np.testing.assert_array_equal(plain["dense_0/kernel"], kernel)
        with safe_open(folder / names[seed], framework="numpy") as file:
            metadata = file.metadata()
        assert metadata == {
            "config": "digits",
            "hash": finished.name.removeprefix("digits-"),
            "seed": str(seed),
            "step": str(recorded.steps[-1]),
            "cmd_jax": cmd_jax.__version__,
        }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config.record.pattern=*kernel"], "records '*kernel'"),
        (["--config.record.num_weights=200"], "records 200"),
        (["--export=README.md"], "README.md is a file"),
    ],
)
def test_an_export_that_is_refused_runs_nothing(
    options, message, run_main, tmp_path, capsys, monkeypatch, repository
):
    monkeypatch.chdir(repository)
    arguments = ("--config", "digits:smoke", f"--export={tmp_path / 'x'}", *options)
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_not_exported(run_main, tmp_path, repository, capsys):
    config = tmp_path / "pair.py"
    text = (repository / "configs" / "digits.py").read_text()
    config.write_text(
        text + "\n\ndef sweep():\n    return [{'seed': 0}, {'seed': 1}]\n"
    )
    arguments = ("--config", f"{config}:smoke", "--export", str(tmp_path / "x"))
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert "is a sweep of 2" in capsys.readouterr().err
