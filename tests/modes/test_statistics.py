import jax
import numpy as np
import pytest

from cmd_jax.modes import fit_references, statistics
from cmd_jax.modes.statistics import summarise


def test_equal_plain_means_by_leaf_and_mode(make_walks, as_tree, monkeypatch):
    monkeypatch.setattr(statistics, "_WEIGHTS_AT_A_TIME", 64)
    history = make_walks(12, 301)
    history[:, 5:20] = history[0, 5:20]  # these never move
    fit = fit_references(as_tree(history), np.array([120, 150, 299]))
    found = summarise(fit, 3)
    leaves = zip(
        jax.tree.leaves(fit.labels), jax.tree.leaves(fit.explained), strict=True
    )
    for number, (labels, explained) in enumerate(leaves):
        for mode in range(3):
            members = (labels == mode) & (explained > 0)
            assert found.counts[number, mode] == members.sum()
            expected = explained[members].mean() if members.any() else 0
            assert found.r_squared[number, mode] == pytest.approx(expected, rel=1e-6)
        expected = np.sqrt(explained[explained > 0]).mean()
        assert found.correlation[number] == pytest.approx(expected, rel=1e-6)
    assert found.counts.sum() == 286


def test_a_mode_without_weights_counts_none(make_walks, as_tree):
    history = make_walks(8, 30)
    found = summarise(fit_references(as_tree(history), np.array([0])), 3)
    assert found.counts[:, 1:].sum() == 0 and not found.r_squared[:, 1:].any()
