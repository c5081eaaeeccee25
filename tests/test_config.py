"""Configs: arguments, names, hash."""

import pathlib
import subprocess
import sys

import pytest

from cmd_jax import config as configs


def test_an_argument_is_parsed_to_its_defaults_type():
    parsed = configs.parse_argument("width=16,smoke", smoke=False, width=64, rate=0.1)
    assert parsed == {"smoke": True, "width": 16, "rate": 0.1}
    assert configs.parse_argument(None, smoke=False) == {"smoke": False}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("smok", r"unknown config argument 'smok' \(did you mean 'smoke'\?\)"),
        ("width=thin", "'width' is 'thin'; it must be a int"),
        ("smoke=2", "'smoke' is '2'; it must be a bool"),
        ("width", "'width' is 'true'; it must be a int"),
    ],
)
def test_arguments_that_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        configs.parse_argument(argument, smoke=False, width=64)


def test_a_config_is_found_by_name_or_path(tmp_path):
    (tmp_path / "tiny.py").write_text("")
    assert configs.find("tiny", tmp_path) == tmp_path / "tiny.py"
    assert configs.find(str(tmp_path / "tiny.py"), pathlib.Path()).is_file()
    with pytest.raises(
        ValueError, match=r"'tinny' \(did you mean 'tiny'\?\); there are: tiny"
    ):
        configs.find("tinny", tmp_path)
    with pytest.raises(ValueError, match="no config file"):
        configs.find("nowhere/x.py", tmp_path)


def test_a_file_without_get_config_is_refused(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="defines no get_config"):
        configs.load(tmp_path / "empty.py")


def test_the_hash_holds_what_changes_the_numbers():
    base = configs.digest(configs.defaults())
    for block, field, value in (
        ("train", "num_seeds", 9),
        ("train", "checkpoint_every_seconds", 1.0),
        ("log", "tensorboard", True),
    ):
        config = configs.defaults()
        config[block][field] = value
        assert configs.digest(config) == base
    config = configs.defaults()
    config.optimizer.learning_rate = 0.2
    assert configs.digest(config) != base


@pytest.mark.parametrize(
    ("field", "on"), [("crop_scale", (0.5, 1.0)), ("image_size", 8)]
)
def test_a_field_that_came_later_is_hashed_where_it_is_on(field, on):
    config = configs.defaults()
    base = configs.digest(config)
    config.data[field] = on
    assert configs.digest(config) != base
    del config.data[field]  # as a run of before has it
    assert configs.digest(config) == base


def test_the_hash_does_not_depend_on_the_process(repository):
    program = "from cmd_jax import config as c; print(c.digest(c.defaults()))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            cwd=repository,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin"},
        ).stdout
        for seed in ("0", "1")
    }
    assert found == {configs.digest(configs.defaults()) + "\n"}


def test_differences_are_what_changes_the_numbers_alone():
    config = configs.defaults()
    config.seed, config.train.num_seeds = 7, 5  # not hashed
    config.optimizer.momentum, config.model.hidden = 0.9, (16, 8)
    values, base = configs.to_dict(config), configs.to_dict(configs.defaults())
    found = {"model.hidden": [16, 8], "optimizer.momentum": 0.9}
    assert configs.differences(values, base) == found
    assert configs.differences(base, base) == {}
    del values["eval"]  # written before there was such a block
    assert configs.differences(values, base) == found


def test_a_budget_is_about_the_same_number_of_steps_for_any_training_set():
    options = {"num_steps": 400, "batch_size": 25, "num_tests": 10}
    for size in (25, 100, 1000, 10_000):
        fields = configs.least_action_budget(size, **options)
        steps = fields["train.total_epochs"] * (size // 25)
        assert size > 400 * 25 / 2 or abs(steps - 400) < 0.2 * 400
        assert 1 <= fields["eval.every_epochs"] <= fields["train.total_epochs"]
    with pytest.raises(ValueError, match="24 examples; allowed is one batch of 25"):
        configs.least_action_budget(24, **options)
