"""Learning transfer: what matching costs beside the arithmetic that it cannot avoid."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmark_cases.case import Case, Work
from cmd_jax import data, models, train, transfer
from cmd_jax.trajectory import Trajectory
from cmd_jax.transfer import PermutationGroups
from cmd_jax.transfer.gradients import make_gradient
from cmd_jax.types import Params

NUM_STEPS, BATCH_SIZE = 5, 128  # of transfer_mnist_mlp


def matching_sweep() -> Work:
    """One sweep over ResNet18's groups, one pair of gradients, from the identity."""
    network = models.create("resnet18", num_classes=10)
    inputs = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    params, state = jax.eval_shape(network.init, jax.random.key(0), inputs)
    groups = transfer.permutation_groups(
        lambda params, inputs: network.apply(params, state, inputs)[0], params, inputs
    )
    source, target = (_at_random(params, seed) for seed in (0, 1))
    named = [transfer.moved_leaves(groups, tree) for tree in (source, target)]

    pairs = transfer.no_pairs(groups, params, 1)
    pairs = transfer.add_pair(groups, pairs, 0, *named)
    products = _products(groups, *named)
    flops = sum(
        2.0 * group.size * leaf.size
        for group in groups
        for leaf in (named[0][place.leaf] for place in group.occurrences)
    )
    return Work(
        reference=lambda: jax.block_until_ready(products()),
        case=lambda: transfer.match(groups, pairs, max_sweeps=1),
        counts={"GFLOP": flops / 1e9},
        note=f"{len(groups)} groups; the products of the arrays as they lie",
    )


def _at_random(shapes: Params, seed: int) -> Params:
    draws = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jnp.asarray(draws.standard_normal(x.shape, np.float32)), shapes
    )


def _products(groups: PermutationGroups, *named: dict[str, Any]) -> functools.partial:
    """The products of units with units that a sweep needs, and nothing else."""

    def multiply(source: dict[str, Any], target: dict[str, Any]) -> list[Any]:
        found = []
        for place in (place for group in groups for place in group.occurrences):
            one, other = target[place.leaf], source[place.leaf]
            rest = [axis for axis in range(one.ndim) if axis != place.axis]
            found.append(
                jnp.tensordot(
                    one, other, axes=(rest, rest), precision=jax.lax.Precision.HIGHEST
                )
            )
        return found

    return functools.partial(jax.jit(multiply), *named)


def fgmt_mnist() -> Work:
    """FGMT as in `transfer_mnist_mlp`, at random weights and on images of its size."""
    network = models.create("mlp", num_classes=10, hidden=(4096,), use_bias=False)
    dataset = data.synthetic(shape=(28, 28, 1), num_train=NUM_STEPS * BATCH_SIZE)
    batches = {
        "inputs": data.augmenter(dataset)(dataset.train.inputs),
        "labels": dataset.train.labels,
    }
    batches = jax.tree.map(
        lambda x: jnp.reshape(x, (NUM_STEPS, 1, BATCH_SIZE, *x.shape[1:])), batches
    )
    inputs = batches["inputs"][0, 0]
    draw = train.jit_once(lambda key: network.init(key, inputs)[0])
    start, end, other = (draw(jax.random.key(seed)) for seed in range(3))
    groups = transfer.permutation_groups(
        lambda params, inputs: network.apply(params, {}, inputs)[0], start, inputs
    )
    carry = functools.partial(
        transfer.transfer,
        Trajectory.stack([start, end]),
        other,
        groups,
        train.cross_entropy(network),
        batches,
        num_steps=NUM_STEPS,
        key=jax.random.key(0),
    )
    return Work(
        reference=_gradients_and_assignments(network, carry(), batches),
        case=carry,
        counts={"gradient images": 2.0 * NUM_STEPS * BATCH_SIZE},
        note=f"{NUM_STEPS} assignments of 4096",
    )


def _gradients_and_assignments(
    network: models.Network, found: transfer.Transfer, batches: Params
) -> Callable[[], None]:
    """The gradients along a transfer, and an assignment of each of its affinities."""
    gradient = make_gradient(train.cross_entropy(network), {}, key=jax.random.key(0))
    pairs = transfer.no_pairs(found.groups, found.target_init, 1)
    networks, affinities = [], []
    for step in range(NUM_STEPS):
        batch = jax.tree.map(lambda leaf, t=step: leaf[t], batches)
        both = found.path.at(step), found.params(step)
        gradients = [gradient(params, batch, step + 1) for params in both]
        named = [transfer.moved_leaves(found.groups, g) for g in gradients]
        pairs = transfer.add_pair(found.groups, pairs, 0, *named)
        networks.append((batch, both))
        affinities.append(np.asarray(pairs.constant[0], np.float64))

    def run() -> None:
        for step, (batch, both) in enumerate(networks, 1):
            for params in both:
                jax.block_until_ready(gradient(params, batch, step))
        for affinity in affinities:
            linear_sum_assignment(affinity, maximize=True)

    return run


CASES = (
    Case(
        "matching_sweep",
        "one matching sweep over ResNet18's groups, one pair of gradients, against its "
        "affinity products alone",
        "at most",
        bar=1.5,
        aim=1.1,
        setup=matching_sweep,
    ),
    Case(
        "fgmt_mnist",
        f"FGMT of an MLP 784-4096-10 in {NUM_STEPS} steps of {BATCH_SIZE} images, "
        "against its gradients and one assignment of each of the same matrices",
        "at most",
        bar=1.5,
        aim=1.15,
        setup=fgmt_mnist,
    ),
)
