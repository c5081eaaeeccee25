"""The command line: what it accepts and refuses, and that a refusal writes nothing."""

import importlib.util
import json
import re
import shutil

import pytest

from cmd_jax import config as configs
from cmd_jax import files, runs, train


def test_without_arguments_the_usage_and_the_configs(run_main, capsys):
    from experiments import run

    assert run.main(["run.py"]) == 2
    text = capsys.readouterr().err
    assert "usage:" in text
    assert "digits" in text
    assert "lenet5" in text


def test_help(capsys):
    from experiments import run

    assert run.main(["run.py", "--help"]) == 0
    assert "dry_run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "digit"], "unknown config 'digit' (did you mean 'digits'?)"),
        (["--config", "digits:smok"], "(did you mean 'smoke'?)"),
        (["--config", "nowhere/x.py"], "no config file 'nowhere/x.py'"),
        (["--dry_run"], "one --config is needed"),
        (["--config", "digits", "--config.train.batch_siz=3"], 'mean "batch_size"'),
        (["--config", "digits", "--config.trian.batch_size=3"], 'mean "train"'),
        (["--config", "digits", "--config.train.batch_size=many"], "many"),
        (["--config", "digits", "--config.train.batch_size=0"], "batch_size=0"),
        (["--config", "digits", "--config.train.batch_size=9999"], "batch_size=9999"),
        (["--config", "digits", "--config.train.total_epochs=0"], "total_epochs is 0"),
        (["--config", "digits", "--config.train.num_seeds=0"], "num_seeds is 0"),
        (["--config", "digits", "--config.train.dispatch=fast"], "'fast'"),
        (["--config", "digits", "--config.model.name=vgg"], "'vgg'"),
        (["--config", "digits", "--config.optimizer.name=sdg"], "'sdg'"),
        (["--config", "digits", "--config.data.name=digit"], "did you mean 'digits'"),
        (["--config", "digits", "--config.study=mode"], "'mode'"),
        (["--config", "digits", "--config.modes.num_modes=0"], "num_modes"),
        (["--config", "digits", "--config.modes.num_modes=2000"], "num_modes"),
        (["--config", "digits", "--config.modes.num_samples=10000000"], "num_samples"),
        (["--config", "digits", "--config.modes.method=kmeans"], "'kmeans'"),
        (["--config", "digits", "--config.train.total_epochs=2"], "records"),
        (["--config", "digits", "--config.record.pattern=nothing"], "'nothing'"),
        (["--config", "digits", "--config.record.dtype=float16"], "'float16'"),
        (["--config", "digits", "--nonsense"], "nonsense"),
        (["--config", "digits", "nonsense"], "nonsense"),
        (["--config", "fashion", "--config.data.name=x"], "unknown config 'fashion'"),
        (
            ["--config", "digits", "--config.data.name=fashion_mnist"],
            "scripts/prepare_data fashion_mnist",
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    arguments, message, run_main, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("CMD_JAX_DATA", str(tmp_path / "no_data"))
    assert run_main(tmp_path / "runs", *arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "Traceback" not in text
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(run_main, tmp_path, capsys):
    output = tmp_path / "runs"
    assert run_main(output, "--config", "digits:smoke", "--dry_run") == 0
    text = capsys.readouterr().out
    assert "parameters  1,210" in text
    assert "records     6 a seed" in text
    assert "about" in text
    assert str(output / "digits-") in text
    assert not output.exists()


def test_a_finished_run_is_shown_and_not_redone(finished, run_main, capsys):
    results = finished / "seed_0" / "results.json"
    before = results.stat().st_mtime_ns
    assert run_main(finished.parent) == 0
    text = capsys.readouterr().out
    assert "is finished" in text
    assert str(finished / "report.html") in text
    assert results.stat().st_mtime_ns == before


def test_only_missing_seeds_are_run(run_main, tmp_path, capsys):
    arguments = ("--config", "digits:smoke", "--config.train.num_seeds=1")
    assert run_main(tmp_path, *arguments) == 0
    (directory,) = tmp_path.glob("digits-*")
    before = (directory / "seed_0" / "results.json").stat().st_mtime_ns
    assert run_main(tmp_path, "--config", "digits:smoke") == 0
    assert (directory / "seed_0" / "results.json").stat().st_mtime_ns == before
    assert runs.RunDirectory(directory).finished_seeds() == [0, 1]
    assert run_main(tmp_path, *arguments, "--overwrite") == 0
    assert runs.RunDirectory(directory).finished_seeds() == [0]


def test_a_directory_of_another_config_is_refused(run_main, tmp_path, capsys):
    from experiments import run

    config = configs.load(run.CONFIGS / "digits.py", "smoke")
    directory = tmp_path / f"digits-{configs.digest(config)}"
    runs.RunDirectory(directory).create({"hash": "ffffffff"})
    assert run_main(tmp_path, "--config", "digits:smoke") == 2
    assert "of another config" in capsys.readouterr().err


def test_two_processes_on_the_same_seeds(run_main, tmp_path, capsys):
    from experiments import run

    digest = configs.digest(configs.load(run.CONFIGS / "digits.py", "smoke"))
    directory = runs.RunDirectory(tmp_path / f"digits-{digest}")
    directory.create({"hash": digest, "dispatch": "scan"})
    with directory.claim((0, 1)):
        directory.write_environment({"command": "of the first"}, [0, 1])
        assert run_main(tmp_path, "--config", "digits:smoke") == 2
    assert directory.environment() == {"command": "of the first"}
    assert "is held by process" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_names_its_step(run_main, tmp_path, capsys):
    arguments = ("--config", "digits:smoke", "--config.optimizer.learning_rate=1e30")
    assert run_main(tmp_path, *arguments) == 1
    text = capsys.readouterr().err
    assert "seed 0: the loss of step" in text
    assert "there is no checkpoint before it" in text


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(
    run_main, tmp_path, capsys
):
    # The warm-up makes the first chunks finite.
    arguments = (
        "--config",
        "digits:smoke",
        "--config.optimizer.learning_rate=1e12",
        "--config.optimizer.warmup_epochs=5",
        "--config.train.chunk_steps=1",
        "--config.train.checkpoint_every_seconds=0",
    )
    assert run_main(tmp_path, *arguments) == 1
    assert "last good checkpoint is step" in capsys.readouterr().err


def test_a_missing_logger_is_refused_before_anything_is_written(
    run_main, tmp_path, capsys, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "wandb" else find(n)
    )
    arguments = ("--config", "digits:smoke", "--config.log.wandb=project")
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "lost", "message"),
    [
        ("trajectory/records.bin", 1, "truncated"),
        ("trajectory/index.bin", 16, "some are lost"),
        ("metrics.jsonl", 1, "rows are lost"),
    ],
)
def test_what_a_run_lost_is_noticed_when_it_goes_on(
    name, lost, message, finished, run_main, tmp_path, capsys
):
    directory = tmp_path / finished.name
    shutil.copytree(finished, directory)
    (directory / "seed_1" / "results.json").unlink()
    path = directory / "seed_1" / name
    files.truncate(path, path.stat().st_size - lost)
    assert run_main(tmp_path) == 2
    text = capsys.readouterr().err
    assert message in text
    assert str(directory / "seed_1") in text


def test_results_of_another_version_are_refused(finished, run_main, tmp_path, capsys):
    directory = tmp_path / finished.name
    shutil.copytree(finished, directory)
    seed = runs.RunDirectory(directory).seed(0)
    results, arrays = seed.results(), seed.arrays()
    (directory / "report.html").unlink()
    for lacks, file in (("null_r_squared", "results.json"), ("counts", "arrays.npz")):
        for found in (results, arrays):
            found.pop(lacks, None)
        seed.finish(results, arrays)
        assert run_main(tmp_path) == 2
        text = capsys.readouterr().err
        assert f"{directory / 'seed_0' / file} lacks '{lacks}'" in text


def test_where_too_few_weights_move_all_are_sampled(run_main, tmp_path, capsys):
    """Steps that are too small for float32 change the biases only: they begin at 0."""
    arguments = (
        "--config=digits:smoke",
        "--config.train.num_seeds=1",
        "--config.optimizer.learning_rate=1e-7",
        "--config.modes.num_samples=1210",
    )
    assert run_main(tmp_path, *arguments) == 0
    said = re.findall(r"only (\d+) weights move", capsys.readouterr().out)
    (directory,) = tmp_path.glob("digits-*")
    sampled = runs.RunDirectory(directory).seed(0).results()["num_samples"]
    assert sampled == int(said[-1]) < 1210
    page = (directory / "report.html").read_text()
    assert f"all of them were sampled, {sampled}" in page


def test_a_run_goes_on_with_the_dispatch_it_began_with(
    run_main, tmp_path, capsys, monkeypatch
):
    arguments = ("--config", "digits:smoke", "--config.train.num_seeds=1")
    assert run_main(tmp_path, *arguments) == 0
    monkeypatch.setattr(train, "choose_dispatch", lambda convolutional, backend: "step")
    assert run_main(tmp_path, *arguments, "--config.seed=1") == 0
    assert "dispatched by 'scan', as this run began" in capsys.readouterr().out


def test_a_sweep_runs_its_overrides_in_order(run_main, tmp_path, repository):
    config = tmp_path / "pair.py"
    text = (repository / "configs" / "digits.py").read_text()
    config.write_text(
        text + "\n\ndef sweep():\n"
        "    return [{'optimizer.learning_rate': rate} for rate in (0.1, 0.2)]\n"
    )
    arguments = ("--config", f"{config}:smoke", "--config.train.num_seeds=1")
    assert run_main(tmp_path / "runs", *arguments) == 0
    documents = [
        json.loads(path.read_text())
        for path in tmp_path.glob("runs/pair-*/config.json")
    ]
    rates = sorted(d["config"]["optimizer"]["learning_rate"] for d in documents)
    assert rates == [0.1, 0.2]


@pytest.mark.parametrize(
    "options",
    [
        ("--config.record.num_weights=200",),
        ("--config.record.pattern=*kernel",),
        ("--config.record.dtype=bfloat16_delta",),
        ("--config.record.every_epochs=0", "--config.record.num_log_spaced=8"),
        ("--config.modes.method=hierarchical",),
        ("--config.modes.method=random_references",),
        ("--config.log.tensorboard=True",),
    ],
    ids=lambda options: options[-1].split(".")[-1],
)
def test_the_options_of_recording_fitting_and_logging_work(options, run_main, tmp_path):
    arguments = ("--config", "digits:smoke", "--config.train.num_seeds=1", *options)
    assert run_main(tmp_path, *arguments) == 0
    assert list(tmp_path.glob("digits-*/seed_0/results.json"))
    if "tensorboard" in options[0]:
        assert list(tmp_path.glob("digits-*/seed_0/tensorboard/*"))


def test_a_sweep_goes_on_where_a_run_diverges(monkeypatch, run_main, tmp_path, capsys):
    from experiments import run

    seen = []

    def study(name, config, options):
        seen.append(config.embedding.treatment)
        if seen[-1] in ("snap", "tied"):
            raise FloatingPointError(f"{seen[-1]} has no loss")

    monkeypatch.setitem(run.STUDIES, "correlation_modes", study)
    assert run_main(tmp_path, "--config", "digits_embedded:smoke") == 1
    assert seen == ["none", "snap", "freeze", "tied"]
    told = capsys.readouterr()
    assert told.out == "snap has no loss. The sweep goes on\n"
    assert told.err == "error: snap has no loss\ntied has no loss\n"
