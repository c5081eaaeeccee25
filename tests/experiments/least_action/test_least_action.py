"""The study of LAP: results, page, resuming, and what it refuses."""

import pathlib

import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs, train
from cmd_jax.checkpoints import Checkpoints, read_checkpoint
from experiments import study_page
from experiments.least_action import comparison
from experiments.least_action import study as least_action
from experiments.process.options import Options

FOLDER = pathlib.Path(__file__).parents[3] / "configs"


@pytest.fixture(scope="session")
def run_study():
    """`run_study(output, **fields)`: circles in small, one variant; its directory."""

    def run(output, **fields):
        config = configs.load(FOLDER / "least_action_circles.py", "smoke")
        config.update_from_flattened_dict(
            {field.replace("__", "."): value for field, value in fields.items()}
        )
        least_action.run("circles", config, Options(output, None, False, False, "test"))
        (directory,) = output.glob("circles-*")
        return runs.RunDirectory(directory)

    return run


@pytest.fixture(scope="session")
def finished_study(run_study, tmp_path_factory):
    """A finished run of two seeds, 14 steps each, each on 60 points of its own."""
    return run_study(tmp_path_factory.mktemp("study"), **SUBSET)


SUBSET = {"least_action__num_train": 60, "train__batch_size": 20}


def test_a_seed_hands_over_accuracies_measures_and_clouds(finished_study):
    assert finished_study.finished_seeds() == [0, 1]
    results = finished_study.seed(0).results()
    assert set(results["accuracy"]) == {"last", "best"}
    assert results["statistics"] == "none, the network has no BatchNorm"
    measures = results["measures"]["last"]
    arrays = finished_study.seed(0).arrays()
    np.testing.assert_allclose(measures["kinetic_energy"], arrays["energy"].sum())
    assert measures["geodesic_index"] >= 1
    assert arrays["cloud"].shape == (3, 20, 2)
    rows = train.MetricsFile(finished_study.seed(0).metrics).read()
    tested = [row for row in rows if "test/accuracy" in row]
    best = max(tested, key=lambda r: (r["validation/accuracy"], -r["validation/loss"]))
    assert results["accuracy"]["last"] == tested[-1]["test/accuracy"]
    assert results["accuracy"]["best"] == best["test/accuracy"]
    assert results["best_epoch"] == best["epoch"]


def test_the_page_shows_training_flow_and_clouds(finished_study):
    page = finished_study.report.read_text()
    for words in ("geodesic index", "Point clouds", "multiplier λ", "60 examples"):
        assert words in page
    assert "image/png" in page
    assert list(finished_study.tables.glob("flow.csv"))


def test_runs_stand_side_by_side(finished_study):
    run = study_page.read(finished_study)
    config = run.document["config"]
    larger = {**config, "least_action": {**config["least_action"], "num_train": 600}}
    other = run._replace(document={**run.document, "config": larger})
    sections = comparison.sections({"small": run, "large": other})
    assert [section.title for section in sections] == [
        "Accuracy",
        "The flow",
        "Low energy",
        "Training sets",
    ]
    (accuracy,), (flow,) = sections[0].tables, sections[1].tables
    assert [row[:3] for row in accuracy.rows[::2]] == [
        ["small", 60, "last epoch"],
        ["large", 600, "last epoch"],
    ]
    assert flow.columns[1:4] == ["kinetic energy", "path length", "geodesic index"]


class _Killed(BaseException):
    """The end of a process, in this one."""


def test_resumed_is_uninterrupted(
    run_study, finished_study, equal_runs, tmp_path, monkeypatch
):
    save = Checkpoints.save

    def save_and_die(self, step, tree):
        save(self, step, tree)
        if step == 3:
            raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_die)
        with pytest.raises(_Killed):
            run_study(tmp_path, **SUBSET, train__checkpoint_every_seconds=0.0)
    (folder,) = tmp_path.glob("circles-*/checkpoints/seeds_0-1/3")
    kept = read_checkpoint(folder, "states/1/state")
    assert kept["multiplier"]["step"] == 3
    assert kept["multiplier"]["value"] == pytest.approx(0.1)
    resumed = run_study(tmp_path, **SUBSET)
    equal_runs(finished_study.root, resumed.root)


@pytest.mark.slow
def test_seeds_draw_their_own_training_sets(finished_study, run_study, tmp_path):
    fields = {"least_action__stratified": True, "least_action__variant": "vanilla"}
    vanilla = run_study(tmp_path, **SUBSET, **fields)
    results = vanilla.seed(0).results()
    assert "multiplier" not in results["measures"]["last"]
    assert "classes in their shares" in vanilla.report.read_text()


def test_a_multiplier_at_its_maximum_is_said(run_study, tmp_path, capsys):
    directory = run_study(tmp_path, least_action__maximum=0.11, train__num_seeds=1)
    assert "seed 0: the multiplier reached" in capsys.readouterr().out
    value = directory.seed(0).results()["measures"]["last"]["multiplier"]
    assert value == pytest.approx(0.11)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("least_action.initial", 0, "λ_0 must be positive"),
        ("least_action.rate", -1, "τ must not be negative"),
        ("least_action.every", 0, "s must be a whole number"),
        ("least_action.maximum", 0.01, "λ_max must be at least"),
        ("least_action.weight", -1, "the weight must not be negative"),
        ("least_action.reduction", "max", "'sum', 'mean', 'norm'"),
        ("least_action.num_train", 1, "allowed are 2 (the number of classes) to 800"),
        ("least_action.num_assigned", -1, "must not be negative"),
        ("model.hidden", 0, "hidden=0"),
        ("optimizer.beta_2", 1, "beta_2 is 1"),
    ],
)
def test_refuses_before_anything_is_written(
    field, value, message, run_main, tmp_path, capsys
):
    path = FOLDER / "least_action_circles.py"
    alone = tmp_path / "alone.py"  # without the sweep, which allows its own values only
    alone.write_text(
        "from cmd_jax import config\n\n\n"
        "def get_config(argument):\n"
        f"    return config.load({str(path)!r}, argument)\n"
    )
    arguments = ("--config", f"{alone}:smoke", f"--config.{field}={value}")
    assert run_main(tmp_path / "runs", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_refuses_a_network_without_a_flow_and_an_unknown_variant(tmp_path):
    config = configs.load(FOLDER / "digits.py", "smoke")
    del config.modes
    config.estimators = {}
    config.least_action = configs.load(
        FOLDER / "least_action_digits.py", "smoke"
    ).least_action
    options = Options(tmp_path, None, False, False, "test")
    with pytest.raises(ValueError, match="no block that keeps the dimension"):
        least_action.run("digits", config, options)
    config.least_action.variant = "lap"
    with pytest.raises(ValueError, match="allowed are vanilla, multiplier, fixed w"):
        least_action.run("digits", config, options)
    assert not list(tmp_path.iterdir())
