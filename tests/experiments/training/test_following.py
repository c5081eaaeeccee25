"""Estimators beside a run: they change nothing, and what is refused beforehand."""

import json

import jax
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs
from cmd_jax.checkpoints import Checkpoints
from cmd_jax.train import MetricsFile
from experiments.configured import estimators
from experiments.configured.setup import prepare
from experiments.process import saved
from experiments.training.following import Following

STUDY = {"modes": configs.modes().to_dict()}
NAMES = tuple(estimators.NAMES)
FITTED = ("online", "random_references")
LEFT_OUT = tuple(f"--config.estimators.{name}.every_records=0" for name in NAMES)


@pytest.fixture
def config(repository):
    return configs.load(repository / "configs" / "digits.py", "smoke")


def test_training_is_bitwise_the_same_without_them(
    finished, run_main, arguments, tmp_path
):
    assert run_main(tmp_path, *arguments, *LEFT_OUT) == 0
    (without,) = tmp_path.glob("digits-*")
    assert without.name != finished.name
    for seed in ("seed_0", "seed_1"):
        paths = sorted((finished / seed / "trajectory").iterdir())
        assert len(paths) >= 3
        for path in paths:
            other = without / seed / "trajectory" / path.name
            assert other.read_bytes() == path.read_bytes(), path
        rows, plain = (
            MetricsFile(run / seed / "metrics.jsonl").read()
            for run in (finished, without)
        )
        own = [
            {name: x for name, x in row.items() if name.split("/")[0] not in NAMES}
            for row in rows
        ]
        assert own == plain
        assert own != rows
        accuracy = runs.RunDirectory(without).seed(0).results()["accuracy"]
        assert set(accuracy) == {"sgd", "cmd"}


def test_every_estimator_is_tested_where_it_has_begun(finished):
    seed = runs.RunDirectory(finished).seed(1)
    results, arrays = seed.results(), seed.arrays()
    rows = [row for row in MetricsFile(seed.metrics).read() if "test/loss" in row]
    assert set(results["accuracy"]) == {"sgd", "cmd", *NAMES}
    for name in NAMES:
        logged = [row.get(f"{name}/test/accuracy", np.nan) for row in rows[1:]]
        np.testing.assert_array_equal(arrays[f"accuracy_{name}"], np.float32(logged))
        losses = [row.get(f"{name}/test/loss", np.nan) for row in rows[1:]]
        np.testing.assert_array_equal(arrays[f"loss_{name}"], losses)
        assert np.isnan(logged).tolist() == [name in FITTED] * 2 + [False] * 3
        assert results["accuracy"][name] == logged[-1]
        assert results["loss"][name] == losses[-1]
        assert f"{name}/validation/loss" in rows[-1]


def test_an_average_is_the_network_at_its_first_record(finished):
    rows = MetricsFile(runs.RunDirectory(finished).seed(0).metrics).read()
    first = next(row for row in rows if row["epoch"] == 1)
    for name in ("ema", "swa", "lawa"):
        assert first[f"{name}/test/accuracy"] == first["test/accuracy"]


@pytest.mark.parametrize(
    ("name", "every", "record"),
    [("ema", 1, 1), ("lawa", 3, 3), ("online", 1, 3), ("random_references", 2, 6)],
)
def test_the_first_record(name, every, record):
    options = configs.estimators(warmup_records=2)[name]
    options.every_records = every
    assert estimators.first_record(name, options) == record


def test_every_second_record(run_main, tmp_path):
    options = (
        *("--config", "digits:smoke", "--config.train.total_epochs=7"),
        *("--config.train.num_seeds=1", "--config.estimators.swa.start_record=0"),
        *(f"--config.estimators.{name}.every_records=2" for name in ("swa", "online")),
        *(f"--config.estimators.{name}.every_records=0" for name in ("ema", "lawa")),
    )
    assert run_main(tmp_path, *options) == 0
    (path,) = tmp_path.glob("digits-*/seed_0/metrics.jsonl")
    rows = {row["epoch"]: row for row in MetricsFile(path).read()}
    tested = {
        name: [epoch for epoch in range(1, 8) if f"{name}/test/loss" in rows[epoch]]
        for name in NAMES
    }
    assert tested["swa"] == [2, 3, 4, 5, 6, 7]
    assert tested["online"] == [6, 7]
    assert tested["random_references"] == [3, 4, 5, 6, 7]
    assert tested["ema"] == tested["lawa"] == []
    for even in (2, 4, 6):  # nothing new at an odd record
        assert rows[even]["swa/test/loss"] == rows[even + 1]["swa/test/loss"]
    assert rows[2]["swa/test/loss"] == rows[2]["test/loss"]


def test_no_network_is_estimated_where_a_part_is_recorded(config):
    config.record.pattern = "*kernel"
    assert estimators.following(prepare(config, None, STUDY)) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ema.decay", 1.5, r"decay is 1.5; allowed are.*see config.estimators.ema\)"),
        ("ema.decay", 0.0, r"decay is 0.0; allowed are.*see config.estimators.ema\)"),
        ("ema.every_records", -1, r"ema.every_records is -1; it must be at least 1"),
        ("ema.every_records", 6, r"start_record is 0, which is longer than the run"),
        ("swa.start_record", -1, r"start_record is -1.*see config.estimators.swa\)"),
        ("swa.start_record", 5, r"swa.start_record is 5, which is longer than the run"),
        ("lawa.num_records", 0, r"num_records is 0.*see config.estimators.lawa\)"),
        ("lawa.num_records", 10**12, r"estimators.lawa with 2 seeds needs"),
        ("online.warmup_records", 1, r"warmup_records is 1; it must be at least 2"),
        ("online.warmup_records", 5, r"is 5, which is longer .* it has 5 records"),
        ("online.every_records", 2, r"is 2, which is longer .* it has 2 records"),
        (
            "online.forgetting",
            0.0,
            r"forgetting is 0.0; allowed.*see config.estimators.online\)",
        ),
        (
            "random_references.forgetting",
            2.0,
            r"forgetting is 2.0.*\.random_references\)",
        ),
    ],
)
def test_what_cannot_follow_is_refused_beforehand(config, name, value, message):
    config.estimators.update_from_flattened_dict({name: value})
    setup = prepare(config, None, STUDY)
    with pytest.raises(ValueError, match=message):
        estimators.check(setup)


def test_unknown_names_say_what_was_meant(config):
    with config.unlocked():
        config.estimators.lava = {"every_records": 1}
    with pytest.raises(ValueError, match=r"no field 'lava' \(did you mean 'lawa'"):
        prepare(config, None, STUDY)


def test_a_refusal_is_one_message_and_writes_nothing(run_main, tmp_path, capsys):
    override = "--config.estimators.online.warmup_records=20"
    assert run_main(tmp_path / "x", "--config", "digits:smoke", override) == 2
    text = capsys.readouterr().err
    assert "config.estimators.online.warmup_records is 20" in text
    assert "every_records=0 to leave the estimator out" in text
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("name", "value", "leaf"),
    [
        ("modes.num_modes", 4, "estimators/0/states/online/references"),
        ("estimators.lawa.every_records", 0, "estimators/0/accuracy/lawa"),
        ("estimators.lawa.num_records", 2, "estimators/0/states/lawa/records"),
    ],
)
def test_states_of_other_estimators_are_refused_by_name(
    finished, config, name, value, leaf
):
    config.update_from_flattened_dict({name: value})
    setup = prepare(config, None, STUDY)
    run, keys = runs.RunDirectory(finished), [jax.random.key(seed) for seed in (0, 1)]
    following = Following(setup, [run.seed(0), run.seed(1)], keys)
    like = saved.join((setup.template,) * 2, following.template(190))
    with pytest.raises(ValueError, match=f"is of another run: '{leaf}"):
        Checkpoints(run.checkpoints((0, 1))).restore(190, like)


def test_the_config_names_them_and_their_settings(finished):
    document = json.loads((finished / "config.json").read_text())["config"]
    assert set(document["estimators"]) == set(NAMES)
    page = (finished / "report.html").read_text()
    for words in (*estimators.NAMES.values(), "decay 0.9", "warmup records 2"):
        assert words in page
