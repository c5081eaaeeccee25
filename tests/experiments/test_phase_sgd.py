"""What bad input of a diagram of SGD gets: one message, and nothing is written."""

import pytest


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
        ("phase_transition.num_sweeps=30", "num_sweeps=30"),
    ],
)
def test_what_cannot_be_is_refused(
    run_main, tmp_path, capsys, monkeypatch, argument, message
):
    from experiments import run

    monkeypatch.setattr(run, "_apply_sweep", lambda path, config: [config])
    arguments = ("--config", "phase_sgd:smoke", f"--config.{argument}")
    assert run_main(tmp_path, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_too_much_memory_says_how_to_take_less(run_main, tmp_path, capsys, monkeypatch):
    from experiments import run

    monkeypatch.setattr(run, "_apply_sweep", lambda path, config: [config])
    arguments = "--config", "phase_sgd:smoke", "--config.model.num_units=200000"
    assert run_main(tmp_path, *arguments) == 2
    assert "fewer seeds at a time" in capsys.readouterr().err
