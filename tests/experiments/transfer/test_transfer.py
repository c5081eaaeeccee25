"""The study of learning transfer: pairs of seeds, its page, and what it refuses."""

import re

import numpy as np
import pytest
from scipy import special

from cmd_jax import config as configs
from cmd_jax import runs
from experiments.configured import recording
from experiments.configured.setup import prepare
from experiments.transfer import page
from experiments.transfer.checks import FIELDS, check
from experiments.transfer.methods import make_batches

SMOKE = ("--config", "transfer_digits:smoke")


@pytest.fixture(scope="module")
def finished_pair(run_main, tmp_path_factory):
    """The run directory of one pair."""
    output = tmp_path_factory.mktemp("pair")
    assert run_main(output, *SMOKE) == 0
    (root,) = output.glob("transfer_digits-*")
    return runs.RunDirectory(root)


@pytest.fixture
def config(repository):
    """The config of the smoke."""
    return configs.load(repository / "configs" / "transfer_digits.py", "smoke")


def test_a_pair_hands_over_every_method_and_its_source_nothing(finished_pair):
    target, source = (finished_pair.seed(seed).results() for seed in (0, 1))
    transfers = {"naive", "gmt", "fgmt", "oracle"}
    assert set(target["accuracy"]) == transfers | {"source", "trained", "scratch"}
    assert set(_measured(target, "best_step")) == transfers
    assert set(_measured(target, "barrier")) == transfers | {"source", "rebasined"}
    assert source["accuracy"] == source["measures"] == {}
    assert 0.5 < target["measures"]["source"]["displacement_ratio"] < 5


def _measured(results, metric):
    """A metric of every method that has it."""
    measures = results["measures"].items()
    return {method: found[metric] for method, found in measures if metric in found}


def test_the_step_is_chosen_on_validation_and_reported_on_test(finished_pair):
    results, arrays = finished_pair.seed(0).results(), finished_pair.seed(0).arrays()
    for method, step in _measured(results, "best_step").items():
        validation, test = arrays[f"validation_{method}"], arrays[f"test_{method}"]
        assert validation[int(step)] == validation.max() and len(test) == 3
        assert results["accuracy"][method] == pytest.approx(test[int(step)])
    start = [arrays[f"test_{m}"][0] for m in _measured(results, "best_step")]
    assert len(set(start)) == 1  # all begin with the same network
    ends = [arrays[f"line_{m}"][-1] for m in ("naive", "source", "rebasined")]
    assert set(ends) == {np.float32(results["accuracy"]["trained"])}


def test_the_page_shows_curves_objective_and_barriers(finished_pair):
    text = finished_pair.report.read_text()
    for words in ("GMT", "From scratch, equal cost", "Re-basined source", "barrier"):
        assert words in text
    assert "16 units" in text


@pytest.mark.parametrize(
    ("config", "num_steps"), [("transfer_mnist_mlp", 5), ("transfer_cifar10_conv8", 30)]
)
def test_the_paper_has_a_curve_of_every_method(config, num_steps):
    curves = page.paper_curves(config)
    assert set(curves) == {"Naive", "GMT", "FGMT", "Oracle"}
    steps = [steps for steps, _ in curves.values()]
    assert steps == [list(range(1, num_steps + 1))] * 4
    assert not page.paper_curves("transfer_digits")


def test_training_after_the_transfer_begins_with_what_was_transferred(finished_pair):
    results, arrays = finished_pair.seed(0).results(), finished_pair.seed(0).arrays()
    for method in ("naive", "gmt", "fgmt", "oracle"):
        followed = arrays[f"followed_{method}"]
        assert len(followed) == 5  # four epochs
        assert followed[0] == pytest.approx(results["accuracy"][method])
        assert followed[-1] > 0.8
    assert arrays["standard_epochs"].tolist() == [0, 1, 2, 3, 4]
    assert arrays["standard"][-1] == pytest.approx(results["accuracy"]["trained"])
    assert "Training after the transfer" in finished_pair.report.read_text()


def test_ensembles_are_the_mean_of_source_and_network(finished_pair, config):
    measures = finished_pair.seed(0).results()["measures"]
    setup = prepare(config, None, {"transfer": FIELDS})
    like, test = setup.template.params, setup.dataset.test
    ends = [recording.open_recorded(finished_pair.seed(s), like)[-1] for s in (0, 1)]
    inputs = setup.preprocess(test.inputs)
    logits = [setup.network.apply(params, {}, inputs)[0] for params in ends]
    mean = special.softmax(np.array(logits, np.float64), axis=-1).mean(0)
    expected = (mean.argmax(1) == test.labels).mean()
    assert measures["trained"]["ensemble_accuracy"] == pytest.approx(expected)
    transfers = {"naive", "gmt", "fgmt", "oracle"}
    results = finished_pair.seed(0).results()
    assert set(_measured(results, "ensemble_accuracy")) == transfers | {"trained"}
    assert set(_measured(results, "followed_ensemble_accuracy")) == transfers
    assert "Ensembles with the source" in finished_pair.report.read_text()


def test_a_finished_pair_is_shown_again(finished_pair, run_main, capsys):
    assert run_main(finished_pair.root.parent, *SMOKE) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.num_seeds=3", "both must be even"),
        ("data.num_validation=0", "chosen on a validation split"),
        ("record.num_weights=10", "config.record leaves out weights"),
        ("transfer.follow_learning_rate=-1.0", "it must be positive, or 0"),
        ("transfer.batch_size=0", "transfer.batch_size is 0; it must be at least 1"),
        ("transfer.num_micro=1000", r"1000 x 32 images, and there are 1300"),
        ("transfer.shares=cosin", "did you mean 'cosine'"),
        ("transfer.path=straight", "allowed are linear, recorded"),
    ],
)
def test_refuses_what_is_no_transfer(override, message, run_main, tmp_path, capsys):
    assert run_main(tmp_path, *SMOKE, f"--config.{override}") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_refuses_a_recorded_path_that_does_not_divide(config):
    config.transfer.path, config.transfer.num_steps = "recorded", 3
    setup = prepare(config, None, {"transfer": FIELDS})
    with pytest.raises(ValueError, match=r"num_steps is 3.*4 records after the first"):
        check(setup)


def test_batches_are_fixed_by_the_key_and_may_be_drawn_anew(config, key):
    setup = prepare(config, None, {"transfer": FIELDS})
    kept, again = (make_batches(setup, key=key) for _ in range(2))
    assert kept["inputs"].shape == (2, 1, 32, 8, 8, 1)
    assert np.array_equal(kept["inputs"], again["inputs"])
    assert not np.array_equal(kept["inputs"][0], kept["inputs"][1])
    config.transfer.resample = True
    draw = make_batches(setup._replace(config=config), key=key)
    first, second = draw(1, 1), draw(2, 1)
    assert first["inputs"].shape == (1, 32, 8, 8, 1)
    assert not np.array_equal(first["inputs"], second["inputs"])
