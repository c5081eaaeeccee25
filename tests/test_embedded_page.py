"""The page about embedded CMD: its example runs, its commands are understood."""

import re
import shlex

import pytest


@pytest.fixture
def text(repository):
    return (repository / "docs" / "embedded.md").read_text()


def test_the_example_embeds_half_of_the_weights(text, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(compile(block, "embedded.md", "exec"), names)
    assert names["state"].inner[0].mu.size < 60
    assert capsys.readouterr().out.startswith("free weights: ")


def test_the_commands_are_understood(text):
    from experiments import run

    for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL):
        options, configs = run.parse(shlex.split(block)[1:])
        assert options is not None and configs
