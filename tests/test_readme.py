"""The README: its example runs, its commands and files exist."""

import os
import re
import shlex

import pytest


@pytest.fixture
def blocks(repository):
    """The README's code blocks by language."""
    text = (repository / "README.md").read_text()
    found = re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
    return {
        language: [body for kind, body in found if kind == language]
        for language in {kind for kind, _ in found}
    }


def test_the_library_example_runs_and_finds_the_two_motions(blocks, capsys):
    (example,) = blocks["python"]
    exec(compile(example, "README.md", "exec"), {})
    fit, null = re.findall(r"\d\.\d+", capsys.readouterr().out)
    assert float(fit) > 0.99 > float(null)


def test_the_commands_name_what_exists(blocks, repository):
    from experiments import run

    commands = [
        shlex.split(line, comments=True)
        for block in blocks["bash"]
        for line in block.splitlines()
    ]
    assert len(commands) >= 6
    for command in commands:
        if command[0] == "python":
            assert command[1] == "experiments/run.py"
            options, configs = run.parse(command[1:])
            assert options is not None
            assert len(configs) == 1
        else:
            assert os.access(repository / command[0], os.X_OK), command


def test_the_map_names_what_exists(repository, blocks):
    (tree,) = blocks[""]
    folder = ""
    for line in tree.splitlines():
        for name in re.findall(r"[\w/]+(?:/|\.py)(?=\s|$)", line.split("  #")[0]):
            if not line.startswith(" "):
                folder = name
            folders = (".", folder, "cmd_jax", "experiments", "scripts")
            found = [repository / place / name for place in folders]
            assert any(path.exists() for path in found), name
