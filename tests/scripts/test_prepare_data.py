"""What `scripts/prepare_data` does without a network and without TensorFlow."""

import importlib.util
import os
import pathlib
import subprocess
from typing import Any

import pytest
import requests

_SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_SCRIPTS / "prepare_data", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder in whose `tfds` MNIST is prepared, as far as the script looks."""
    version = tmp_path / "tfds" / "mnist" / "3.0.1"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text('{\n  "fileFormat": "array_record"\n}')
    return tmp_path


def test_help_names_the_data_sets() -> None:
    run = _run("--help")
    assert run.returncode == 0
    assert "mnist, fashion_mnist, cifar10, cifar100 or tiny_shakespeare" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "scripts/prepare_data NAME"),
        (["imagenet"], "unknown data set 'imagenet'; allowed are mnist"),
        (["mnist", "cifar10"], "one data set at a time"),
        (["mnist", "--dir", "x"], "unknown option '--dir'; allowed is --data_dir DIR"),
        (["mnist", "--data_dir"], "--data_dir needs a folder"),
        (["mnist", "--data_dir="], "--data_dir is empty"),
        (["mnist", "--data_dir", "/dev/null/x"], "cannot write to /dev/null/x"),
    ],
)
def test_bad_arguments_exit_with_2(arguments: list[str], message: str) -> None:
    run = _run(*arguments)
    assert run.returncode == 2
    assert message in run.stderr


def test_a_data_set_that_is_prepared_is_left_alone(folder: pathlib.Path) -> None:
    for run in (
        _run("mnist", "--data_dir", str(folder)),
        _run("mnist", CMD_JAX_DATA=str(folder)),
        _run("mnist", CMD_JAX_DATA="", TFDS_DATA_DIR=str(folder / "tfds")),
    ):
        assert run.returncode == 0
        assert f"already prepared in {folder}/tfds/mnist/3.0.1" in run.stderr


def test_another_format_is_refused(folder: pathlib.Path) -> None:
    info = folder / "tfds" / "mnist" / "3.0.1" / "dataset_info.json"
    info.write_text("{}")
    run = _run("mnist", "--data_dir", str(folder))
    assert run.returncode == 2
    assert "in a format without random access" in run.stderr


def test_digits_need_no_preparation() -> None:
    run = _run("digits")
    assert run.returncode == 0
    assert "'digits' needs no preparation" in run.stderr


class _Builder:
    """Stands in for a TFDS builder, whose preparation needs TensorFlow."""

    url_infos = {"https://example.org/images.gz": None}  # noqa: RUF012
    data_path = "/data/mnist/3.0.1"
    prepared = False

    def download_and_prepare(self) -> None:
        self.prepared = True


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, _Builder]:
    """The Python part, and the builder that it gets."""
    spec = importlib.util.spec_from_file_location(
        "prepare_data", _SCRIPTS / "prepare_data.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    builder = _Builder()
    monkeypatch.setattr(module.tfds, "builder", lambda name, **options: builder)
    return module, builder


def test_without_a_network_it_says_so_at_once(
    script: tuple[Any, _Builder],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", unreachable)
    module, builder = script
    assert module.main("mnist", "/data") == 1
    assert not builder.prepared
    assert "https://example.org/images.gz cannot be reached" in capsys.readouterr().err


def test_with_a_network_it_prepares(
    script: tuple[Any, _Builder],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    module, builder = script
    assert module.main("mnist", "/data") == 0
    assert builder.prepared
    assert "is prepared in /data/mnist/3.0.1" in capsys.readouterr().err
