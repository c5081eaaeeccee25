"""What bad input of a diagram of SGD gets: one message, and nothing is written."""

import pytest

CONFIG = """
import pathlib
from cmd_jax import config as configs

def get_config(argument=None):
    return configs.load(pathlib.Path("{folder}") / "phase_sgd.py", "smoke")
"""


@pytest.fixture
def one_run(repository, tmp_path):
    """The path of the config without its sweep."""
    path = tmp_path / "one_run.py"
    path.write_text(CONFIG.format(folder=repository / "configs"))
    return str(path)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("model.degree=13", "degree=13 with num_units=12"),
        ("model.degree=0", "degree=0"),
        ("model.learning_rate=0.0", "learning_rate is 0.0"),
        ("model.learning_rate=fast", "fast"),
        ("model.activation=elu", "allowed are tanh, relu"),
        ("model.start=warm", "warm"),
        ("model.num_units=1000000", "GB of memory, and there are"),
        ("phase_transition.batch_sizes=(0,4)", "batch_sizes=[0, 4]"),
        ("phase_transition.batch_sizes=(4,2)", "ascending"),
        ("phase_transition.batch_sizes=(1.5,2)", "whole numbers"),
        ("phase_transition.batch_sizes=('a',)", "whole numbers"),
        ("phase_transition.num_sweeps=30", "num_sweeps=30"),
    ],
)
def test_what_cannot_be_is_refused(
    run_main, tmp_path, one_run, capsys, argument, message
):
    arguments = ("--config", one_run, f"--config.{argument}")
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_too_much_memory_says_how_to_take_less(run_main, tmp_path, one_run, capsys):
    arguments = "--config", one_run, "--config.model.num_units=200000"
    assert run_main(tmp_path, *arguments) == 2
    assert "fewer seeds at a time" in capsys.readouterr().err
