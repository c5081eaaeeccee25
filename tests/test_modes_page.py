"""The page about modes: its examples run, and say what the text says."""

import re

import numpy as np
import pytest


@pytest.fixture(scope="module")
def names(repository):
    text = (repository / "docs" / "modes.md").read_text()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "modes.md", "exec"), names)
    return names


def test_three_hidden_motions_are_three_modes(names):
    assert names["found"].suggested == 3
    assert names["fit"].mean_r_squared > 0.999 > names["null"].r_squared


def test_the_claims_are_read_beside_chance(names):
    spread = names["spread"]
    np.testing.assert_allclose(spread.overlap, spread.chance_overlap, atol=0.05)


def test_the_grids_have_their_sizes(names):
    assert names["landscape"].metrics["loss"].shape == (11, 11)
    assert names["around"].shape == (5, 5)
