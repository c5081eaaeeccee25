"""`--export`: networks that other tools read, of runs that are not run again."""

import shutil

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import cmd_jax
from cmd_jax import baselines, modes, rng
from cmd_jax import config as configs
from cmd_jax.checkpoints import read_safetensors
from cmd_jax.trajectory import Trajectory
from experiments.configured.estimators import NAMES


def test_a_finished_run_is_exported_and_not_redone(finished, run_main, tmp_path):
    before = (finished / "seed_0" / "results.json").stat().st_mtime_ns
    folder = tmp_path / "made" / "networks"
    arguments = ("--config", "digits:smoke", "--config.train.chunk_steps=20")
    assert run_main(finished.parent, *arguments, "--export", str(folder)) == 0
    assert (finished / "seed_0" / "results.json").stat().st_mtime_ns == before
    names = [
        f"seed_{seed}{estimator}.safetensors"
        for seed in (0, 1)
        for estimator in ("", *(f"-{name}" for name in NAMES))
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert len(Trajectory.open(folder)) == len(names)
    for seed in (0, 1):
        recorded = Trajectory.open(finished / f"seed_{seed}" / "trajectory")
        path = folder / f"seed_{seed}.safetensors"
        plain = load_file(path)
        kernel = recorded[-1]["dense_0"]["kernel"]
        np.testing.assert_array_equal(plain["dense_0/kernel"], kernel)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
        assert metadata == {
            "config": "digits",
            "hash": finished.name.removeprefix("digits-"),
            "seed": str(seed),
            "step": str(recorded.steps[-1]),
            "cmd_jax": cmd_jax.__version__,
        }


def test_exported_estimates_are_those_of_the_recorded_run(
    finished, run_main, arguments, tmp_path
):
    assert run_main(finished.parent, *arguments, "--export", str(tmp_path)) == 0
    key = jax.random.key(1)
    recorded = Trajectory.open(finished / "seed_1" / "trajectory")
    for name in NAMES:
        if name in ("online", "random_references"):
            method = "k_medoids" if name == "online" else name
            fit = modes.decompose(
                recorded[1:4],
                num_modes=3,
                num_samples=100,
                method=method,
                key=rng.stream(key, name),
            )
            estimator, start = modes.online(fit), 4
        else:
            options = configs.estimators(warmup_records=2)[name].to_dict()
            del options["every_records"]
            estimator, start = getattr(baselines, name)(**options), 1
        state = estimator.init(recorded[0])
        for record in range(start, len(recorded)):
            state = estimator.update(state, recorded[record])
        exported = read_safetensors(tmp_path / f"seed_1-{name}.safetensors", None)
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-6),
            exported,
            estimator.params(state),
        )


def test_estimators_without_their_checkpoint_are_not_exported(
    finished, run_main, arguments, tmp_path, capsys
):
    copied = tmp_path / finished.name
    shutil.copytree(finished, copied)
    (checkpoint,) = copied.glob("checkpoints/seeds_0-1/190")
    shutil.rmtree(checkpoint)
    assert run_main(tmp_path, *arguments, f"--export={tmp_path / 'x'}") == 2
    assert "has no checkpoint of step 190 of seed 0" in capsys.readouterr().err


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
