"""Groups and matchings do not depend on how a process hashes strings."""

import os
import subprocess
import sys

_PROGRAM = """
import jax.numpy as jnp
import numpy as np
from cmd_jax import transfer

names = ["first", "second", "third", "last"]
widths = [3, 7, 6, 5, 2]
draws = np.random.default_rng(0)

def network():
    shapes = zip(names, widths, widths[1:])
    return {name: draws.normal(size=shape) for name, *shape in shapes}

def apply(params, x):
    for name in names:
        x = jnp.tanh(x @ params[name])
    return x

source, target = network(), network()
groups = transfer.permutation_groups(apply, target, np.ones((4, 3)))
matching = transfer.weight_matching(groups, source, target)
print(groups)
print([[int(unit) for unit in units] for units in matching.permutation])
"""


def _said(repository, hash_seed):
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "JAX_PLATFORMS": "cpu"},
    ).stdout


def test_two_processes_match_alike(repository):
    first, second = (_said(repository, hash_seed) for hash_seed in ("0", "1"))
    assert first == second
    assert "second" in first and first.count("[") == 4
