"""Every estimator of the library, and a run for them to follow; used by several tests.

    python estimators.py OUTPUT

follows the run on 8 virtual devices, with the parameters in parts on them, and saves
the estimates. Run by `test_every_estimator.py`.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import baselines, modes, sharding, trees
from cmd_jax.trajectory import Estimator, Trajectory

NUM_FITTED, NUM_RECORDS = 5, 12


def make_run(seed: int = 0) -> Trajectory:
    """Random walks in float32 and bfloat16, a scalar among them, and a count."""
    generator = np.random.default_rng(seed)

    def walk(*shape: int) -> np.ndarray:
        steps = generator.standard_normal((NUM_RECORDS, *shape))
        return steps.cumsum(axis=0).astype(np.float32)

    params = {
        "bias": walk(8),
        "count": np.arange(NUM_RECORDS, dtype=np.int32) + seed,
        "dense": [walk(16, 6), walk(3, 8)],
        "half": np.asarray(jnp.asarray(walk(8), jnp.bfloat16)),
        "scale": walk(),
    }
    return Trajectory(params, np.arange(NUM_RECORDS))


def decompose(run: Trajectory, **options: Any) -> modes.Decomposition:
    """The modes of the first records."""
    chosen = {"num_modes": 3, "num_samples": 17, "key": jax.random.key(0), **options}
    return modes.decompose(run[:NUM_FITTED], **chosen)


MASK = {**dict.fromkeys(("bias", "count", "half", "scale"), True), "dense": False}
MAKERS: dict[str, Callable[[Trajectory], Estimator]] = {
    "ema": lambda run: baselines.ema(decay=0.8),
    "lawa": lambda run: baselines.lawa(num_records=3),
    "swa": lambda run: baselines.swa(),
    "swa_late": lambda run: baselines.swa(start_record=2),
    "online": lambda run: modes.online(decompose(run)),
    "online_forgetting": lambda run: modes.online(decompose(run), forgetting=0.9),
    "online_masked": lambda run: modes.online(decompose(run, mask=MASK)),
    "random_references": lambda run: modes.online(
        decompose(run, method="random_references")
    ),
}


def main(output: str) -> None:
    """Follows the run with every estimator and saves the estimates."""
    jax.config.update("jax_num_cpu_devices", 8)
    mesh, run, estimates = sharding.make_mesh(), make_run(), {}

    def place(leaf: np.ndarray) -> jax.Array:
        axes = [axis for axis, length in enumerate(leaf.shape) if length % 8 == 0]
        parts = sharding.split(mesh, axes[0]) if axes else sharding.replicated(mesh)
        return sharding.place(leaf, parts)

    for name, make in MAKERS.items():
        estimator = make(run)
        # A function of its own: `online` has one for all, and so one cache.
        update = jax.jit(lambda *both, e=estimator: e.update(*both), donate_argnums=0)
        state = estimator.init(jax.tree.map(place, run[NUM_FITTED - 1]))
        places = jax.tree.map(lambda leaf: leaf.sharding, state)
        for record in range(NUM_FITTED, NUM_RECORDS):
            params = jax.tree.map(place, run[record])
            state = update(state, params)
            found = jax.tree.map(lambda leaf: leaf.sharding, state)
            assert found == places, f"{name}: {found} became {places}"
        estimates[name] = jax.jit(estimator.params)(state)
        for leaf, like in zip(
            *map(jax.tree.leaves, (estimates[name], params)), strict=True
        ):
            assert leaf.sharding == like.sharding, name
        assert update._cache_size() == 1, name
    values = [np.asarray(leaf, np.float32) for leaf in jax.tree.leaves(estimates)]
    np.savez(output, **dict(zip(trees.leaf_names(estimates), values, strict=True)))


if __name__ == "__main__":
    main(sys.argv[1])
