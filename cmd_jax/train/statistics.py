"""Re-estimation of BatchNorm's running statistics: the one place where it happens.

Running statistics belong to the weights that they were gathered with. A network whose
weights are averaged, reconstructed, transferred or taken from another record gets them
anew from training data before it is tested (SWA's `update_bn`).
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Shaped

from cmd_jax import rng, sharding
from cmd_jax.models import Network
from cmd_jax.train.compilation import jit
from cmd_jax.train.evaluation import place
from cmd_jax.types import Array, ArrayLike, Params, PyTree

Reestimate = Callable[[Params, PyTree], PyTree]


def make_reestimate(
    network: Network,
    images: Shaped[ArrayLike, "examples *features"],
    *,
    preprocess: Callable[[Array], Array],
    batch_size: int,
    dispatch: str,
    mesh: Mesh | None = None,
) -> Reestimate:
    """Builds the re-estimation of a network's running statistics.

    The new statistics are the plain mean of the batches' own, mean of means and mean of
    within-batch variances, over batches cut in order and of one size: no exponential
    average, which remembers the last batches best. They are fixed by the parameters: no
    augmentation, no shuffling. Dropout, where a network has it, is on as in training.

    Args:
      network: its `update_statistics` does the work.
      images: training images; they are moved to the device here, once. The remainder
        that fills no batch is left out.
      preprocess: stored images -> float32 inputs, without augmentation.
      batch_size: examples of a batch, as in training; cut to the number of images.
      dispatch: "scan" (one program) or "step" (one program per batch), as for a chunk.
      mesh: the devices that a batch is split over; None for one device.

    Returns:
      `reestimate(params, state) -> state`: the state with new statistics; a state
      without any comes back as it is, at no cost.

    References:
      Izmailov et al., Averaging Weights Leads to Wider Optima and Better
      Generalization, UAI 2018, section 3.2.
    """
    update = network.update_statistics
    if update is None:
        return lambda params, state: state
    batch_size = min(batch_size, len(images))
    num_batches = len(images) // batch_size
    data = place(images, mesh)

    def add_batch(i: Any, state: PyTree, params: Params, data: Array) -> PyTree:
        batch = jax.lax.dynamic_slice_in_dim(data, i * batch_size, batch_size)
        if mesh is not None:
            batch = jax.lax.with_sharding_constraint(batch, sharding.split(mesh))
        key = rng.stream(jax.random.key(0), "statistics", i)
        return update(params, state, preprocess(batch), 1 / (i + 1), key=key)

    def scanned(params: Params, state: PyTree, data: Array) -> PyTree:
        def body(i: Array, state: PyTree) -> PyTree:
            return add_batch(i, state, params, data)

        return jax.lax.fori_loop(0, num_batches, body, state)

    add_compiled = jit(add_batch)

    def stepped(params: Params, state: PyTree, data: Array) -> PyTree:
        for i in range(num_batches):
            state = add_compiled(i, state, params, data)
        return state

    run = jit(scanned) if dispatch == "scan" else stepped

    def reestimate(params: Params, state: PyTree) -> PyTree:
        if not jax.tree.leaves(state):
            return state
        params, state = place((params, state), mesh)
        return run(params, state, data)

    return reestimate
