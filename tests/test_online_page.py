"""The page about online CMD: its examples run and do what it says."""

import re

import jax
import numpy as np
import pytest


@pytest.fixture
def text(repository):
    return (repository / "docs" / "online.md").read_text()


def test_the_examples_run(text):
    blocks, names = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), {}
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "online.md", "exec"), names)
    assert names["follower"].num_records == 40
    assert names["estimated"] < 0.9 * names["last"]
    assert set(names["estimates"]) == {"ema", "swa", "online"}
    for estimate in names["estimates"].values():
        shapes = jax.tree.map(np.shape, estimate)
        assert shapes == jax.tree.map(np.shape, names["params"])
