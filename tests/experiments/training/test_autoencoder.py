"""Encoders of auto-encoders: frozen, resumed with the same bits, what is refused."""

import json
import pathlib
import signal

import jax
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs
from cmd_jax.checkpoints import Checkpoints, read_checkpoint
from cmd_jax.report import mean_std
from experiments.configured.checks import check_config
from experiments.configured.programs import initial_states
from experiments.least_action import study as least_action
from experiments.process.interruption import Interrupted
from experiments.process.options import Options
from experiments.training import autoencoder

FOLDER = pathlib.Path(__file__).parents[3] / "configs"


def _run(output, *, export=None, **fields):
    config = configs.load(
        FOLDER / "least_action_digits.py", "smoke,encoder=autoencoder"
    )
    config.train.num_seeds = 2
    config.update_from_flattened_dict(
        {field.replace("__", "."): value for field, value in fields.items()}
    )
    options = Options(output, None, False, False, "test", export)
    least_action.run("digits", config, options)
    (directory,) = output.glob("digits-*")
    return runs.RunDirectory(directory)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of two seeds, of eight steps each."""
    return _run(tmp_path_factory.mktemp("finished"))


def test_the_error_falls_and_the_page_tells_of_it(finished):
    found = finished.seed(0).results()["reconstruction_error"]
    assert found == json.loads(finished.seed(0).autoencoder.read_text())
    assert found["last_epoch"] < found["first_step"]
    errors = [
        finished.seed(seed).results()["reconstruction_error"]["last_epoch"]
        for seed in (0, 1)
    ]
    assert mean_std(errors, digits=4) in finished.report.read_text()


class _Killed(BaseException):
    """The end of a process, in this one."""


def _asked_to_stop(setup, keys):
    signal.raise_signal(signal.SIGTERM)
    return initial_states(setup, keys)


def _save_and_die(self, step, tree, *, save=Checkpoints.save):
    save(self, step, tree)
    if step == 4:
        raise _Killed


def test_resumed_is_uninterrupted_and_the_encoder_stays(
    finished, equal_runs, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(autoencoder, "initial_states", _asked_to_stop)
        with pytest.raises(Interrupted, match="begun anew"):
            _run(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", _save_and_die)
        with pytest.raises(_Killed):
            _run(tmp_path, train__checkpoint_every_seconds=0.0)
    (folder,) = tmp_path.glob("digits-*/checkpoints/seeds_0-1/4")
    halfway = [_encoder(folder, seed) for seed in (0, 1)]
    equal_runs(finished.root, _run(tmp_path).root)
    last = [_encoder(finished.checkpoints((0, 1)) / "8", seed) for seed in (0, 1)]
    jax.tree.map(np.testing.assert_array_equal, halfway, last)
    first, second = (encoder["encoder_1"]["kernel"] for encoder in last)
    assert not np.array_equal(first, second)


def _encoder(folder, seed):
    return read_checkpoint(folder, f"states/{seed}/state/inner/frozen/encoder")


@pytest.mark.parametrize(
    ("encoder", "argument", "message"),
    [
        ("pca", "--config.seed=0", "encoder='pca'"),
        ("autoencoder", "--config.branch.run=other", "records do not hold a frozen"),
    ],
)
def test_refuses_before_anything_is_written(
    encoder, argument, message, run_main, tmp_path, capsys
):
    config = f"least_action_digits:smoke,encoder={encoder}"
    assert run_main(tmp_path, "--config", config, argument) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_refuses_an_export_and_a_study_that_trains_no_encoder(tmp_path):
    with pytest.raises(ValueError, match="a frozen encoder that is none"):
        _run(tmp_path, export=tmp_path / "export")
    assert not list(tmp_path.iterdir())
    config = configs.load(FOLDER / "digits.py", "smoke")
    config.model.encoder = "autoencoder"
    with pytest.raises(ValueError, match="only the study 'least_action'"):
        check_config(config, {"modes": config.modes.to_dict()})
