"""Correlation modes: the two steps of a decomposition that cost the most."""

import itertools
import timeit
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmark_cases.case import Case, Work
from cmd_jax import modes
from cmd_jax.modes.fit import fit_references
from cmd_jax.trajectory import Trajectory

NUM_RECORDS = 21
NUM_MODES = 10
NUM_WEIGHTS = 11_173_962  # ResNet18 on CIFAR-10
NUM_SAMPLES = 4000


def random_walks(num_weights: int) -> np.ndarray:
    """Histories [records, weights] of independent random walks, float32."""
    generator = np.random.default_rng(0)
    shape = (NUM_RECORDS, num_weights)
    steps = generator.standard_normal(shape, dtype=np.float32)
    return np.cumsum(steps, axis=0, out=steps)


def fit() -> Work:
    """Assignment and fit of every weight, against reading the history once."""
    history = random_walks(NUM_WEIGHTS)
    trajectory = Trajectory(history, np.arange(NUM_RECORDS))
    references = np.linspace(0, NUM_WEIGHTS - 1, NUM_MODES, dtype=np.int64)
    name, read = fastest_read(history)
    return Work(
        reference=read,
        case=lambda: fit_references(trajectory, references),  # gives NumPy arrays
        counts={"GB": history.nbytes / 1e9},
        note=f"plain read: {name}",
    )


def fastest_read(history: np.ndarray) -> tuple[str, Callable[[], Any]]:
    """The fastest way found to read every number of `history` once, and its name."""
    array, ones = jnp.asarray(history), jnp.ones(NUM_RECORDS)
    total, product = jax.jit(jnp.sum), jax.jit(jnp.matmul)
    return fastest(
        {
            "jnp.sum": lambda: total(array).block_until_ready(),
            "np.sum": lambda: np.sum(history),
            "product with ones": lambda: product(ones, array).block_until_ready(),
        }
    )


def k_medoids() -> Work:
    """One restart each on the same matrix; every call starts elsewhere."""
    histories = jnp.asarray(random_walks(NUM_SAMPLES))
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


CASES = (
    Case(
        "fit",
        f"assignment and fit of {NUM_WEIGHTS / 1e6:.1f} M weights, {NUM_RECORDS} "
        f"records, {NUM_MODES} modes, against one plain read of the history",
        "at most",
        bar=6,
        aim=4,
        setup=fit,
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
