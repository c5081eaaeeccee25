import numpy as np
import pytest
from numba.core import caching

from cmd_jax.modes import host_least_squares
from cmd_jax.modes.least_squares import WeightFits, normalise


def test_compiles_where_no_folder_can_be_written(monkeypatch):
    locators = caching.CompileResultCacheImpl
    monkeypatch.setattr(locators, "_locator_classes", [])
    with pytest.raises(RuntimeError):
        locators(host_least_squares.fit_on_host)
    double = host_least_squares._compiled(lambda values: values * 2)
    assert double(np.float32(3)) == 6


def make_place(num_weights):
    floats = (np.full(num_weights, 99, np.float32) for _ in range(5))
    return WeightFits(np.full(num_weights, 99, np.uint8), *floats)


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda history: np.pad(history, ((0, 0), (7, 55)))[:, 7:-55],
        lambda history: np.ascontiguousarray(history[::-1])[::-1],
        lambda history: np.repeat(history, 2, axis=0)[::2],
    ],
    ids=["gaps", "backwards", "every second row"],
)
def test_the_place_of_the_rows_does_not_matter(lay_out, make_walks):
    history, references = make_walks(9, 700), normalise(make_walks(9, 3))
    laid_out = lay_out(history)
    assert not laid_out.flags.c_contiguous
    expected, found = make_place(700), make_place(700)
    host_least_squares.fit_on_host(history, references, expected)
    host_least_squares.fit_on_host(laid_out, references, found)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_record_many_times_moves_nothing(make_walks):
    record = np.arange(700, dtype=np.float32)
    place = make_place(700)
    host_least_squares.fit_on_host(
        np.broadcast_to(record, (5, 700)), normalise(make_walks(5, 3)), place
    )
    assert not place.explained.any() and not place.slope.any()
    np.testing.assert_array_equal(place.intercept, record)


@pytest.mark.parametrize("num_weights", [1, 511, 512, 513])
def test_writes_the_weights_that_there_is_place_for(num_weights, make_walks):
    history = make_walks(6, 2 * num_weights)
    memory = make_place(num_weights + 1)
    place = WeightFits(*(column[:num_weights] for column in memory))
    references = normalise(make_walks(6, 3))
    host_least_squares.fit_on_host(history, references, place)
    for column in memory:
        assert column[-1] == 99 and 99 not in column[:-1]
