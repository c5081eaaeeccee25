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


@pytest.mark.parametrize("num_weights", [1, 511, 512, 513])
def test_writes_the_weights_that_there_is_place_for(num_weights, make_walks):
    history = make_walks(6, 2 * num_weights)
    memory = WeightFits(
        np.full(num_weights + 1, 99, np.uint8),
        *(np.full(num_weights + 1, 99, np.float32) for _ in range(5)),
    )
    place = WeightFits(*(column[:num_weights] for column in memory))
    references = normalise(make_walks(6, 3))
    host_least_squares.fit_on_host(history, references, place)
    for column in memory:
        assert column[-1] == 99 and 99 not in column[:-1]
