"""The page about phase transitions: its example runs and does what it says."""

import re

from cmd_jax import phase_transition


def test_the_example_runs(repository):
    text = (repository / "docs" / "phase_transition.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names = {}
    exec(compile(block, "phase_transition.md", "exec"), names)
    assert (names["threshold"].below, names["threshold"].above) == (3, 5)
    assert names["growth"][0, 0] > 0 > names["growth"][1, 0]


def test_every_function_that_it_names_is_there(repository):
    text = (repository / "docs" / "phase_transition.md").read_text()
    table = text.partition("| question | function |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)
    assert len(named) > 8
    assert not [name for name in named if not hasattr(phase_transition, name)]
