"""Correlation modes: the steps of a decomposition that cost the most."""

import atexit
import itertools
import pathlib
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmark_cases.case import Case, Work
from cmd_jax import modes
from cmd_jax.modes import fit_references
from cmd_jax.trajectory import StoredTrajectory, Trajectory, TrajectoryWriter

NUM_MODES = 10
FEW_RECORDS, MANY_WEIGHTS = 21, 11_173_968  # ResNet18 in whole cache lines, F = 20
MANY_RECORDS, FEW_WEIGHTS = 150, 2_000_000
NUM_SAMPLES = 4000  # of k-medoids
NUM_CORRELATED = 8000


def random_walks(num_records: int, num_weights: int) -> np.ndarray:
    """Histories [records, weights] of independent random walks, float32."""
    generator = np.random.default_rng(0)
    shape = (num_records, num_weights)
    steps = generator.standard_normal(shape, dtype=np.float32)
    return np.cumsum(steps, axis=0, out=steps)


def recorded(num_records: int, num_weights: int) -> StoredTrajectory:
    """Random walks in a store that goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="cmd_jax_benchmark_")
    atexit.register(folder.cleanup)
    history = random_walks(num_records, num_weights)
    writer = TrajectoryWriter.create(folder.name, {"w": history[0]})
    for step, record in enumerate(history):
        writer.append(step, {"w": record})
    return Trajectory.open(folder.name, verify=False)


def fit(num_records: int, num_weights: int) -> Work:
    """Assignment and fit of every weight, against reading the history once."""
    trajectory = recorded(num_records, num_weights)
    history = trajectory.read(0, 0, num_weights)  # mapped
    references = np.linspace(0, num_weights - 1, NUM_MODES, dtype=np.int64)
    name, read = fastest_read(history)
    return Work(
        reference=read,
        case=lambda: fit_references(trajectory, references),  # gives NumPy arrays
        counts={"GB": history.nbytes / 1e9},
        note=f"plain read: {name}",
    )


def fastest_read(history: np.ndarray) -> tuple[str, Callable[[], Any]]:
    """The fastest way found to read every number of `history` once, and its name.

    Where it lies: JAX reads a NumPy array that is contiguous and aligned in place.
    """
    ones, total, product = jnp.ones(len(history)), jax.jit(jnp.sum), jax.jit(jnp.matmul)
    return fastest(
        {
            "jnp.sum": lambda: total(history).block_until_ready(),
            "np.sum": lambda: np.sum(history),
            "product with ones": lambda: product(ones, history).block_until_ready(),
        }
    )


def correlation() -> Work:
    """The correlation matrix, against one product of its shape."""
    histories = jnp.asarray(random_walks(MANY_RECORDS, NUM_CORRELATED))
    product = jax.jit(lambda x: x.T @ x)
    return Work(
        reference=lambda: product(histories).block_until_ready(),
        case=lambda: modes.correlation_matrix(histories).block_until_ready(),
        counts={"GFLOP": 2 * MANY_RECORDS * NUM_CORRELATED**2 / 1e9},
    )


def memory() -> Work:
    """Anonymous memory of `decompose` above its outputs, against the history."""
    trajectory = recorded(MANY_RECORDS, FEW_WEIGHTS)
    program = pathlib.Path(__file__).with_name("peak_memory.py")
    command = [sys.executable, str(program), str(trajectory.path), str(NUM_MODES)]

    def peak() -> float:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(run.stdout)

    return Work(
        reference=lambda: 4 * MANY_RECORDS * FEW_WEIGHTS / 1e6,
        case=peak,
        note="peak, in a process of its own; the reference is the history",
        unit="MB",
    )


def k_medoids() -> Work:
    """One restart each on the same matrix; every call starts elsewhere."""
    histories = jnp.asarray(random_walks(FEW_RECORDS, NUM_SAMPLES))
    dissimilarity = 1 - jnp.abs(modes.correlation_matrix(histories))
    name, reference = fastest_faster_pam(np.array(dissimilarity))
    seeds = itertools.count()
    return Work(
        reference=reference,
        case=lambda: jax.block_until_ready(
            modes.k_medoids(dissimilarity, NUM_MODES, key=jax.random.key(next(seeds)))
        ),
        note=f"FasterPAM on {name}",
    )


def fastest_faster_pam(dissimilarity: np.ndarray) -> tuple[str, Callable[[], Any]]:
    """The Rust FasterPAM on one thread or on all: a busy machine favours one."""
    import kmedoids  # GPL: for tests and benchmarks only

    def on_threads(num_threads: int) -> Callable[[], Any]:
        seeds = itertools.count()
        return lambda: kmedoids.fasterpam(
            dissimilarity, NUM_MODES, random_state=next(seeds), n_cpu=num_threads
        )

    return fastest({"1 thread": on_threads(1), "all threads": on_threads(-1)})


def fastest(ways: Mapping[str, Callable[[], Any]]) -> tuple[str, Callable[[], Any]]:
    """The way whose best of four calls is the fastest, and its name."""
    seconds = {
        name: min(timeit.repeat(way, number=1, repeat=4)) for name, way in ways.items()
    }
    name = min(seconds, key=seconds.__getitem__)
    return name, ways[name]


def _fit_case(
    name: str, num_records: int, num_weights: int, *, bar: float, aim: float
) -> Case:
    return Case(
        name,
        f"assignment and fit of {num_weights / 1e6:.1f} M weights, {num_records} "
        f"records, {NUM_MODES} modes, against one plain read of the history",
        "at most",
        bar=bar,
        aim=aim,
        setup=lambda: fit(num_records, num_weights),
    )


CASES = (
    _fit_case("fit", FEW_RECORDS, MANY_WEIGHTS, bar=6, aim=4),
    _fit_case("fit_long", MANY_RECORDS, FEW_WEIGHTS, bar=4, aim=2.5),
    Case(
        "correlation",
        f"correlation matrix of {NUM_CORRELATED} weights, {MANY_RECORDS} records, "
        "against one product of that shape",
        "at most",
        bar=1.5,
        aim=1.1,
        setup=correlation,
    ),
    Case(
        "memory",
        f"anonymous memory of decompose above its outputs, {FEW_WEIGHTS / 1e6:.0f} M "
        f"weights, {MANY_RECORDS} records, against the bytes of the history",
        "at most",
        bar=0.25,
        aim=0.1,
        setup=memory,
    ),
    Case(
        "k_medoids",
        f"{NUM_SAMPLES} points, {NUM_MODES} medoids, one restart, warm, against the "
        "Rust FasterPAM",
        "at most",
        bar=1,
        aim=0.3,
        setup=k_medoids,
        requires=("kmedoids",),
    ),
)
