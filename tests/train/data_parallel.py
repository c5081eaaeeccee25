"""Trains small networks on the devices of this run, and saves what came out.

    python data_parallel.py OUTPUT PLACEMENT NUM_DEVICES [COORDINATOR PROCESS_ID]

Run by `test_data_parallel.py`: with one device, with 8 virtual ones, and as two
processes with 4 each.
"""

import sys
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from cmd_jax import data, host, models, processes, sharding, train, trees


class ConvNet(nn.Module):
    """A convolution with batch normalisation, and dropout before the last layer."""

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Conv(6, (3, 3), strides=2, use_bias=False)(x)
        x = nn.relu(models.BatchNorm("running")(x, train))
        x = nn.Dropout(0.2, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(4)(x)


def main(output: str, placement: str, num_devices: str, *process: str) -> None:
    """Trains both networks for two epochs; the primary saves them as OUTPUT."""
    jax.config.update("jax_num_cpu_devices", int(num_devices))
    if process:
        processes.start(process[0], 2, int(process[1]))
    mesh = sharding.make_mesh() if jax.device_count() > 1 else None
    dataset = data.synthetic(shape=(8, 8, 3), num_classes=4, num_train=210, num_test=37)
    results = {
        "mlp": _train(
            models.create("mlp", num_classes=4, hidden=(16,)),
            dataset,
            dispatch="scan",
            placement="device",
            mesh=mesh,
        ),
        "batch_norm": _train(
            models.from_linen(ConvNet(), convolutional=True),
            dataset,
            dispatch="step",
            placement=placement,
            mesh=mesh,
        ),
    }
    if processes.is_primary():
        names, values = trees.leaf_names(results), jax.tree.leaves(results)
        np.savez(output, **dict(zip(names, values, strict=True)))


def _train(
    network: models.Network,
    dataset: data.Dataset,
    *,
    dispatch: str,
    placement: str,
    mesh: jax.sharding.Mesh | None,
) -> dict[str, Any]:
    optimizer = train.create_optimizer(
        "sgd", learning_rate=0.05, momentum=0.9, weight_decay=1e-3, num_steps=26
    )
    moving = network.convolutional
    preprocess = data.augmenter(dataset, crop_padding=int(moving), flip=moving)
    keys = [jax.random.key(seed) for seed in range(1 if network.convolutional else 2)]
    inputs = preprocess(dataset.train.inputs[:1])
    initial = train.jit_once(
        lambda key: train.initial_state(network, optimizer, inputs, key=key)
    )
    states = tuple(initial(key) for key in keys)
    chunk = train.make_chunk(
        train.cross_entropy(network),
        optimizer,
        dataset.train,
        preprocess=lambda images, key: preprocess(images, train=True, key=key),
        batch_size=16,
        max_steps=8,
        dispatch=dispatch,
        vectorize=not network.convolutional,
        keys=keys,
        placement=placement,
        mesh=mesh,
    )
    states, _ = train.train(
        states, chunk, [], start_step=0, num_steps=26, steps_per_epoch=13, chunk_steps=8
    )
    evaluate = train.make_evaluate(
        network,
        dataset.test,
        preprocess=preprocess,
        batch_size=12,
        dispatch=dispatch,
        mesh=mesh,
    )
    reestimate = train.make_reestimate(
        network,
        dataset.train.inputs,
        preprocess=preprocess,
        batch_size=16,
        dispatch=dispatch,
        mesh=mesh,
    )
    tested = [evaluate(state.params, state.state) for state in states]
    anew = [reestimate(state.params, state.state) for state in states]
    return host.fetch({"states": states, "tested": tested, "reestimated": anew})


if __name__ == "__main__":
    main(*sys.argv[1:])
