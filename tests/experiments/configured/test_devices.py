"""What a config and a machine make of devices and placement."""

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from cmd_jax import config as configs
from cmd_jax.data import Examples
from experiments.configured.devices import choose_mesh, choose_placement, state_sharding

EXAMPLES = Examples(np.zeros((9, 2, 2, 1), np.uint8), np.zeros(9, np.int32))


def test_one_device_needs_no_mesh():
    assert choose_mesh(ConfigDict({"batch_size": 5, "num_devices": 0})) is None
    assert state_sharding(None).device_set == {jax.local_devices()[0]}


def test_devices_that_are_not_there_or_do_not_divide_the_batch_are_refused():
    block = ConfigDict({"batch_size": 5, "num_devices": 3})
    with pytest.raises(
        ValueError, match=r"num_devices is 3; allowed are 0 and 1: .* 5"
    ):
        choose_mesh(block)


@pytest.mark.parametrize(
    ("memory", "placement"), [(None, "device"), (100, "host"), (1000, "device")]
)
def test_a_large_set_stays_on_the_host(monkeypatch, memory, placement):
    class Device:
        def memory_stats(self):
            return None if memory is None else {"bytes_limit": memory}

    monkeypatch.setattr(jax, "local_devices", lambda **_: [Device()])
    assert choose_placement(configs.defaults(), EXAMPLES) == placement


def test_a_set_on_the_host_cannot_be_scanned():
    config = configs.defaults()
    config.data.placement, config.train.dispatch = "host", "scan"
    with pytest.raises(ValueError, match="allowed are 'auto' and 'step'"):
        choose_placement(config, EXAMPLES)


def test_devices_and_placement_change_no_hash():
    config = configs.defaults()
    before = configs.digest(config)
    config.train.num_devices, config.data.placement = 4, "host"
    assert configs.digest(config) == before
