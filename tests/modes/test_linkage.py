import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from cmd_jax.modes.linkage import hierarchical, references_of


def walk_correlation(num_samples, num_records=21, seed=0):
    steps = np.random.default_rng(seed).standard_normal((num_records, num_samples))
    return np.corrcoef(steps.cumsum(axis=0), rowvar=False)


def same_partition(left, right):
    return np.array_equal(left[:, None] == left, right[:, None] == right)


@pytest.mark.parametrize("num_modes", [1, 2, 10, 60])
def test_is_complete_linkage_of_the_rows_of_absolute_correlation(num_modes):
    correlation = walk_correlation(60)
    tree = linkage(np.abs(correlation), method="complete", metric="euclidean")
    expected = fcluster(tree, num_modes, criterion="maxclust")
    assert same_partition(hierarchical(correlation, num_modes), expected)


def test_modes_are_numbered_by_decreasing_size():
    labels = hierarchical(walk_correlation(80), 9)
    sizes = np.bincount(labels)
    first = np.array([np.flatnonzero(labels == mode)[0] for mode in range(len(sizes))])
    keys = list(zip(-sizes, first, strict=True))
    assert len(sizes) == 9
    assert keys == sorted(keys)


def test_the_sign_of_a_weight_does_not_matter():
    correlation, signs = walk_correlation(40), np.resize([1, -1, -1], 40)
    flipped = correlation * np.outer(signs, signs)
    np.testing.assert_array_equal(
        hierarchical(correlation, 5), hierarchical(flipped, 5)
    )


def test_ties_give_fewer_modes():
    labels = hierarchical(np.eye(4), 2)  # all rows equally far apart: one merge height
    assert labels.tolist() == [0, 0, 0, 0]


def test_one_sample_is_one_mode():
    assert hierarchical(np.ones((1, 1)), 1).tolist() == [0]


def test_reference_has_the_highest_mean_correlation():
    correlation = walk_correlation(50)
    labels = hierarchical(correlation, 6)
    references = references_of(correlation, labels, 6)
    for mode, reference in enumerate(references):
        members = np.flatnonzero(labels == mode)
        means = np.abs(correlation[np.ix_(members, members)]).mean(axis=1)
        assert reference == members[means.argmax()]


def test_bad_input_is_named():
    correlation = walk_correlation(5)
    with pytest.raises(ValueError, match=r"correlation has shape \(4, 5\)"):
        hierarchical(correlation[:4], 2)
    with pytest.raises(ValueError, match="num_modes is 6; allowed are 1 to 5"):
        hierarchical(correlation, 6)
    correlation[2, 2] = np.nan
    with pytest.raises(ValueError, match=r"not finite, the first at \[2, 2\]"):
        hierarchical(correlation, 2)


def test_a_mode_without_members_has_no_reference():
    with pytest.raises(ValueError, match=r"labels hold the modes \[0, 2\]"):
        references_of(np.eye(3), np.array([0, 0, 2]), 3)
