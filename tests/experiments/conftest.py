"""Runs of the digits config, small enough for tests."""

import pathlib
import subprocess
import sys

import pytest

ARGUMENTS = ("--config", "digits:smoke", "--config.train.chunk_steps=20")


@pytest.fixture(scope="session")
def arguments():
    """The command line of the run."""
    return ARGUMENTS


@pytest.fixture(scope="session")
def run_main():
    """`run_main(output, *arguments) -> exit code`: the command line in this process."""
    from experiments import run

    def call(output: pathlib.Path, *arguments: str) -> int:
        return run.main(["run.py", *(arguments or ARGUMENTS), "--output", str(output)])

    return call


@pytest.fixture(scope="session")
def start_run(repository):
    """`start_run(output, *arguments)`: the command line in a process of its own."""

    def start(output: pathlib.Path, *arguments: str) -> subprocess.Popen:
        script = repository / "experiments" / "run.py"
        command = [sys.executable, str(script), *ARGUMENTS, "--output", str(output)]
        return subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def finished(run_main, tmp_path_factory):
    """The run directory of an uninterrupted run."""
    output = tmp_path_factory.mktemp("uninterrupted")
    assert run_main(output) == 0
    (directory,) = output.glob("digits-*")
    return directory


@pytest.fixture(scope="session")
def equal_runs():
    """`equal_runs(a, b)`: whether two run directories hold the same, bit by bit."""

    def check(first: pathlib.Path, second: pathlib.Path) -> None:
        files = [
            path.relative_to(first)
            for path in first.glob("seed_*/**/*")
            if path.is_file()
        ]
        assert len(files) > 8
        for file in files:
            assert (second / file).read_bytes() == (first / file).read_bytes(), file

    return check
