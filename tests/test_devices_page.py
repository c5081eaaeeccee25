"""The page about devices: its example runs, its commands are understood."""

import re
import shlex

import jax
import pytest

from cmd_jax import sharding


@pytest.fixture
def text(repository):
    return (repository / "docs" / "devices.md").read_text()


def test_the_example_runs(text):
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(block, names)
    assert names["mesh"].size == jax.device_count()
    assert names["halves"].sharding.spec == sharding.split(names["mesh"], axis=1).spec


def test_the_commands_are_understood(text):
    from experiments import run

    joined = re.sub(r"\\\n\s*", "", text)
    commands = re.findall(r"python experiments/run\.py[^\n\"&`]*", joined)
    assert len(commands) == 7
    for command in commands:
        options, config_runs = run.parse(shlex.split(command)[1:])
        assert config_runs
        several = "--distributed" in command or "--coordinator" in command
        assert (options.processes is not None) == several
