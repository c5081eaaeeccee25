"""The scripts as modules."""

import importlib
import pathlib
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="session")
def script():
    """`script(name)`: the module of a script."""

    def load(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
            return importlib.import_module(name)

    return load


@pytest.fixture
def refused(capsys):
    """`refused(main, *arguments)`: the message with which a call is refused."""

    def call(main, *arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        assert stopped.value.code == 2
        text = capsys.readouterr().err
        assert "Traceback" not in text
        return text

    return call
