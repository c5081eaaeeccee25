"""Trains a small flow with LAP on the devices of this run, and saves what came out.

    python data_parallel.py OUTPUT NUM_DEVICES

Run by `test_data_parallel.py`, with one device and with 8 virtual ones.
"""

import sys

import jax
import numpy as np

from cmd_jax import data, host, least_action, models, sharding, train, trees


def main(output: str, num_devices: str) -> None:
    """Trains two seeds for 30 steps and measures their flows."""
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    mesh = sharding.make_mesh() if jax.device_count() > 1 else None
    dataset = data.load("circles", num_examples=200)
    preprocess = data.augmenter(dataset)
    network = models.create("point_resnet", num_classes=2, num_blocks=3)
    objective, init_state = least_action.regularize(
        train.cross_entropy(network), initial=0.1, rate=0.1, every=3
    )
    network = least_action.carry_state(network, init_state)
    optimizer = train.create_optimizer("adam", learning_rate=0.01, num_steps=30)
    keys = [jax.random.key(seed) for seed in range(2)]
    inputs = preprocess(dataset.train.inputs[:1])
    states = tuple(
        train.initial_state(network, optimizer, inputs, key=key) for key in keys
    )
    chunk = train.make_chunk(
        objective,
        optimizer,
        dataset.train,
        preprocess=lambda images, key: preprocess(images),
        batch_size=16,
        max_steps=5,
        dispatch="scan",
        vectorize=True,
        keys=keys,
        mesh=mesh,
        subset=data.make_subset(dataset.train.labels, 80, num_classes=2),
    )
    states, _ = train.train(
        states, chunk, [], start_step=0, num_steps=30, steps_per_epoch=5, chunk_steps=5
    )
    measure = least_action.make_measure(
        network, dataset.test, preprocess=preprocess, batch_size=24, mesh=mesh
    )
    measured = [measure(state.params, state.state) for state in states]
    results = host.fetch({"states": states, "measured": measured})
    names, values = trees.leaf_names(results), jax.tree.leaves(results)
    np.savez(output, **dict(zip(names, values, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
