"""The page about learning transfer: its example runs and does what it says."""

import re

import numpy as np


def test_the_example_runs(repository):
    text = (repository / "docs" / "transfer.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict = {}
    exec(compile(block, "transfer.md", "exec"), names)
    (group,) = names["groups"]
    assert group.size == 256
    start, naive, carried, trained = names["losses"]
    assert trained < carried < 0.9 * naive < naive < start, names["losses"]
    assert all(m.converged for m in names["result"].matchings)
    assert np.shape(names["result"].params(2)["first"]) == (6, 256)
