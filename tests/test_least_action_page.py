"""The page about least action: its examples run and do what it says."""

import re

import numpy as np
import pytest


@pytest.fixture
def text(repository):
    return (repository / "docs" / "least_action.md").read_text()


def test_the_examples_run(text):
    blocks, names = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL), {}
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "least_action.md", "exec"), names)
    assert np.mean(names["metrics"]["accuracy"][-50:]) > 0.99
    assert names["found"].geodesic_index[0] < 1.5
    assert 0.8 < least(names) <= 1 + 1e-6
    assert names["aux"]["metrics"]["transport_cost"] > 0


def least(names):
    cloud = names["cloud"]
    return names["least_action"].assignment_gap(cloud[0], cloud[-1])


def test_every_config_is_in_the_page(text, repository):
    for path in (repository / "configs").glob("least_action_*.py"):
        assert f"`{path.stem}" in text
