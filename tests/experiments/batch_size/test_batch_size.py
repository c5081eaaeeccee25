"""The study of the mini-batch size: its points, its ends, resuming, refusals."""

import csv

import numpy as np
import pytest

from cmd_jax import runs
from experiments.batch_size import study as batch_size

SMOKE = ("--config", "phase_digits:smoke", "--config.train.num_seeds=1")


@pytest.fixture(scope="module")
def finished_study(run_main, tmp_path_factory):
    output = tmp_path_factory.mktemp("study")
    assert run_main(output, *SMOKE) == 0
    (directory,) = output.glob("phase_digits-*")
    return directory


def test_the_page_and_the_table_hold_every_point(finished_study):
    seed = runs.RunDirectory(finished_study).seed(0)
    accuracy = seed.arrays()["accuracy"]
    assert accuracy.shape == (1, 2, 2)  # rates, batch sizes, ends
    assert (accuracy > 0.2).all()
    with (finished_study / "tables" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == accuracy.ravel().tolist()
    assert [row["batch_size"] for row in rows] == ["4", "4", "64", "64"]
    assert [row["tested_after"] for row in rows[:2]] == ["1 epochs", "30 steps"]
    page = (finished_study / "report.html").read_text()
    assert "after 30 steps" in page and "η = 0.1" in page


def test_a_finished_study_is_shown_and_not_redone(finished_study, run_main, capsys):
    before = (finished_study / "seed_0" / "results.json").stat().st_mtime_ns
    assert run_main(finished_study.parent, *SMOKE) == 0
    assert "is finished" in capsys.readouterr().out
    assert (finished_study / "seed_0" / "results.json").stat().st_mtime_ns == before


def test_a_stopped_study_goes_on_with_the_same_numbers(
    finished_study, run_main, tmp_path, monkeypatch, capsys
):
    measured = batch_size.measure
    calls = []

    def fail_at_the_second(point, num_epochs, seeds):
        calls.append(point.config.train.batch_size)
        if calls == [4, 64]:
            raise OSError("no space left")
        return measured(point, num_epochs, seeds)

    monkeypatch.setattr(batch_size, "measure", fail_at_the_second)
    assert run_main(tmp_path, *SMOKE) == 1
    assert run_main(tmp_path, *SMOKE) == 0
    assert calls == [4, 64, 64]
    (directory,) = tmp_path.glob("phase_digits-*")
    arrays = [
        runs.RunDirectory(d).seed(0).arrays() for d in (finished_study, directory)
    ]
    np.testing.assert_array_equal(arrays[0]["accuracy"], arrays[1]["accuracy"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.batch_size.batch_sizes=(0,4)"], "batch_sizes=[0, 4]"),
        (["--config.batch_size.batch_sizes=(2.5,)"], "whole numbers"),
        (["--config.batch_size.learning_rates=('x',)"], "numbers only"),
        (["--config.batch_size.batch_sizes=(4,9999)"], "batch_size=9999"),
        (["--config.batch_size.batch_sizes=(8,4)"], "ascending order"),
        (["--config.batch_size.num_steps=0"], "num_steps is 0"),
        (["--config.optimizer.schedule=cosine"], "must be 'constant'"),
        (["--config.batch_size.learning_rates=(-1.0,)"], "learning_rate"),
        (["--export", "networks"], "without"),
        (["--training_of", "runs"], "without"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    run_main, tmp_path, capsys, arguments, message
):
    assert run_main(tmp_path, *SMOKE, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
