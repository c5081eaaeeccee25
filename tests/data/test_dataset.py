"""The validation split and the statistics of a data set."""

import numpy as np
import pytest

from cmd_jax.data import Examples, channel_statistics, hold_out


def _examples(num_examples: int) -> Examples:
    labels = np.arange(num_examples, dtype=np.int32)
    images = np.broadcast_to(labels[:, None, None, None], (num_examples, 2, 2, 1))
    return Examples(images.astype(np.uint8), labels)


def test_hold_out_is_disjoint_and_complete_and_keeps_pairs() -> None:
    train, validation = hold_out(_examples(100), 30)
    assert len(validation.labels) == 30
    both = np.concatenate([train.labels, validation.labels])
    np.testing.assert_array_equal(np.sort(both), np.arange(100))
    for part in (train, validation):
        np.testing.assert_array_equal(part.inputs[:, 0, 0, 0], part.labels)


def test_hold_out_is_always_the_same_and_no_mere_prefix() -> None:
    _, validation = hold_out(_examples(10), 3)
    np.testing.assert_array_equal(validation.labels, hold_out(_examples(10), 3)[1][1])
    _, larger = hold_out(_examples(10), 5)
    assert set(validation.labels) < set(larger.labels)
    assert set(hold_out(_examples(100), 30)[1].labels) != set(range(30))


def test_hold_out_of_none_is_empty() -> None:
    train, validation = hold_out(_examples(7), 0)
    assert len(train.labels) == 7
    assert validation.inputs.shape == (0, 2, 2, 1)


@pytest.mark.parametrize("num_validation", [-1, 7, 8])
def test_hold_out_refuses_sizes_that_leave_nothing(num_validation: int) -> None:
    with pytest.raises(ValueError, match=f"{num_validation}; allowed is 0 to 6"):
        hold_out(_examples(7), num_validation)


@pytest.mark.parametrize("num_validation", [0.1, True, "3"])
def test_hold_out_refuses_what_is_no_count(num_validation: object) -> None:
    with pytest.raises(TypeError, match="num_validation"):
        hold_out(_examples(7), num_validation)  # pyright: ignore[reportArgumentType]


def test_channel_statistics_equal_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 4, 3), np.uint8)
    scaled = images / 255
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_a_channel_that_never_varies_has_deviation_one() -> None:
    assert channel_statistics(np.full((3, 2, 2, 1), 51, np.uint8)) == ((0.2,), (1.0,))
