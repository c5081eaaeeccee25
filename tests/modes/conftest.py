import numpy as np
import pytest


@pytest.fixture
def make_planted():
    """Histories that follow one of some hidden walks exactly, and which one."""

    def make(num_records, num_weights, num_modes, *, noise=0.0):
        generator = np.random.default_rng(1)
        hidden = generator.standard_normal((num_records, num_modes)).cumsum(axis=0)
        modes = generator.integers(0, num_modes, num_weights)
        slope = generator.uniform(0.5, 2, num_weights)
        slope *= generator.choice([-1, 1], num_weights)
        history = slope * hidden[:, modes] + generator.normal(size=num_weights)
        history += noise * generator.standard_normal(history.shape)
        return history.astype(np.float32), modes

    return make
