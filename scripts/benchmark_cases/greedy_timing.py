"""Prints the microseconds of a greedy sweep of one replica, of many on all devices.

    JAX_NUM_CPU_DEVICES=2 python scripts/benchmark_cases/greedy_timing.py UNITS SWEEPS \
        SEEDS BATCH...

Compiling and drawing the graphs do not count; the tests of the replicas do.
"""

import pathlib
import sys
import time

import jax

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cmd_jax.phase_transition import Budget, SparseDiscrete, Sweep

DEGREE = 3


def main(num_units: int, num_sweeps: int, num_seeds: int, *batch_sizes: int) -> None:
    """Trains all replicas twice, and times the second time."""
    budget = Budget(num_sweeps, num_sweeps // 2, stationary=True, chunk_tests=1)
    seeds = list(jax.random.split(jax.random.key(0), num_seeds))
    sweep = Sweep(SparseDiscrete(num_units, DEGREE), batch_sizes, seeds, budget)
    seconds = 0.0
    for _ in range(2):
        state = sweep.start()
        began = time.perf_counter()
        while not sweep.done(state):
            state = sweep.advance(state)
        seconds = time.perf_counter() - began
    print(1e6 * seconds / num_sweeps / sweep.num_replicas)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
