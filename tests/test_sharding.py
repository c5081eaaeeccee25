"""Meshes and placements on 8 virtual devices and in two processes, by subprocess."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from cmd_jax import sharding

CHECKS = """
import sys
import jax, numpy as np
from cmd_jax import host, processes, sharding

jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
if len(sys.argv) > 2:
    processes.start(sys.argv[2], 2, int(sys.argv[3]))
assert jax.device_count() == 8
mesh = sharding.make_mesh()
assert mesh.shape == {sharding.AXIS: 8}
assert sharding.make_mesh(4).size == 4
assert {d.process_index for d in sharding.make_mesh(2).devices} == set(
    range(jax.process_count())
)
whole = np.arange(48.0, dtype=np.float32).reshape(3, 16)
for placement, shape in (
    (sharding.replicated(mesh), (3, 16)), (sharding.split(mesh, axis=1), (3, 2))
):
    placed = sharding.place({"x": whole}, placement)["x"]
    assert placed.addressable_shards[0].data.shape == shape
    for fetched, expected in zip(host.fetch([placed, placed * 2]), (whole, 2 * whole)):
        np.testing.assert_array_equal(fetched, expected)
key = sharding.place(jax.random.key(3), sharding.replicated(mesh))
draw = jax.jit(
    lambda key: jax.random.normal(key, (16,)), out_shardings=sharding.split(mesh)
)
expected = jax.random.normal(jax.random.key(3), (16,))
np.testing.assert_allclose(host.fetch(draw(key)), expected)
print("passed")
"""


def _start(repository, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", CHECKS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
    )


@pytest.mark.parametrize("num_processes", [1, 2])
def test_eight_devices_of_one_and_of_two_processes(
    repository, coordinator, num_processes
):
    if num_processes == 1:
        started = [_start(repository, "8")]
    else:
        started = [_start(repository, "4", coordinator, str(i)) for i in range(2)]
    for process in started:
        output, _ = process.communicate(timeout=60)
        assert output.rstrip().endswith("passed"), output


def test_a_number_of_devices_that_is_not_there_is_refused():
    count = jax.device_count()
    with pytest.raises(ValueError, match=rf"num_devices={count + 1}; .* up to {count}"):
        sharding.make_mesh(count + 1)
    with pytest.raises(ValueError, match="num_devices=0"):
        sharding.make_mesh(0)


def test_one_process_places_by_device_put():
    placed = sharding.place(np.ones(3), sharding.replicated(sharding.make_mesh(1)))
    np.testing.assert_array_equal(placed, np.ones(3))
