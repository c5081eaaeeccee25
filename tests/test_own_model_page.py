"""The page about one's own model: its examples run, its command is understood."""

import re
import shlex

import pytest


@pytest.fixture
def text(repository):
    return (repository / "docs" / "own_model.md").read_text()


def test_the_examples_run(text, capsys):
    blocks, names = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), {}
    for block in blocks:
        exec(compile(block, "own_model.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["[0 1 2 3 4]", "30 11", "80 5", "(5, 16, 15)"]
    recorded = names["Trajectory"].open(names["folder"] / "classifier")
    assert set(recorded.template) == {"Dense_0", "Dense_1"}


def test_the_command_is_understood(text, tmp_path, monkeypatch):
    from experiments import run

    (block,) = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_configs").mkdir()
    (tmp_path / "my_configs" / "wide.py").write_text(
        "from cmd_jax import config\n\n\ndef get_config():\n"
        "    return config.defaults()\n"
    )
    (command,) = block.splitlines()
    with pytest.raises(ValueError, match="argument"):
        run.parse(shlex.split(command)[1:])
    (tmp_path / "my_configs" / "wide.py").write_text(
        "from cmd_jax import config\n\n\ndef get_config(argument=None):\n"
        "    return config.defaults()\n"
    )
    options, configs = run.parse(shlex.split(command)[1:])
    assert options.dry_run
    assert configs[0][0] == "wide"
