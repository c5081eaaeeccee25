import json

import pytest

from experiments import run

_COSINE = "--config.optimizer.schedule=cosine"


def test_the_command_line_chooses_runs_of_a_sweep(run_main, tmp_path, capsys):
    arguments = ("--config", "digits_embedded:smoke", "--config.train.num_seeds=1")
    assert run_main(tmp_path, *arguments, "--config.embedding.treatment=tied") == 0
    (document,) = tmp_path.glob("digits_embedded-*/config.json")
    assert json.loads(document.read_text())["config"]["embedding"]["treatment"] == (
        "tied"
    )
    capsys.readouterr()
    for given in (
        ["--config.embedding.treatment=tie"],
        ["--config.seed=7", "--config.embedding.treatment", "froze"],
    ):
        assert run_main(tmp_path / "runs", *arguments, *given) == 2
        text = capsys.readouterr().err
        assert "treatment chooses one of 'none', 'snap', 'freeze', 'tied'" in text
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "options", "places"),
    [
        ("digits_optimizers", ["--config.optimizer.learning_rate=0.01"], [1, 2]),
        ("digits_optimizers", [_COSINE], [2]),
        ("digits_optimizers", [_COSINE, "--config.seed=3"], [2]),
        ("least_action_circles", ["--config.model.hidden=16"], [4, 5]),
        ("least_action_circles", ["--noconfig.log.tensorboard"], list(range(6))),
    ],
)
def test_chosen_runs_are_those_of_the_whole_sweep(name, options, places, repository):
    _, whole = run.parse(["run.py", "--config", name])
    _, chosen = run.parse(["run.py", "--config", name, *options])
    expected = [config for place, (_, config) in enumerate(whole) if place in places]
    for config in expected:
        config.seed = chosen[0][1].seed
    assert [config for _, config in chosen] == expected


def test_a_field_without_a_value_chooses_too(tmp_path, repository):
    config = tmp_path / "logged.py"
    text = (repository / "configs" / "digits.py").read_text()
    config.write_text(
        text + "\n\ndef sweep():\n"
        "    return [{'log.tensorboard': logged} for logged in (True, False)]\n"
    )
    _, chosen = run.parse(
        ["run.py", "--config", str(config), "--noconfig.log.tensorboard"]
    )
    assert [one.log.tensorboard for _, one in chosen] == [False]


def test_a_choice_that_no_run_of_a_sweep_makes_is_refused(run_main, tmp_path, capsys):
    both = ("--config.optimizer.learning_rate=0.01", "--config.optimizer.name=adam")
    assert run_main(tmp_path, "--config", "digits_optimizers:smoke", *both) == 2
    message = (
        "none has --config.optimizer.learning_rate=0.01 and --config.optimizer.name"
    )
    assert message in capsys.readouterr().err
    place = "--config.phase_transition.batch_sizes[0]=198"
    assert run_main(tmp_path, "--config", "phase_sgd:smoke", place) == 2
    assert "unknown field of the config" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["export", "training_of"])
def test_what_is_of_one_run_needs_a_choice(flag, run_main, tmp_path, capsys):
    arguments = ("--config", "digits_embedded:smoke", f"--{flag}", str(tmp_path / "x"))
    assert run_main(tmp_path / "runs", *arguments) == 2
    message = "a sweep of 4: choose one by --config.embedding.treatment"
    assert message in capsys.readouterr().err
    chosen = [*arguments, "--config.embedding.treatment=snap"]
    options, runs = run.parse(["run.py", *chosen])
    assert getattr(options, flag) and len(runs) == 1
