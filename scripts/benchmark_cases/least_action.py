"""Least action: what the transport cost adds to a step, and seeds side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from benchmark_cases.case import Case, Work
from cmd_jax import data, least_action, models, train

BATCH_SIZE = 128
NUM_SEEDS = 20
TOY_STEPS = 80  # an epoch of 800 points in batches of 10
TOY_BATCH = 10


def regularized_step() -> Work:
    """A step of OneRep-9 as on MNIST, with LAP against without."""
    dataset = data.synthetic(shape=(28, 28, 1), num_train=20_000, num_test=1)
    network = models.create("one_rep", num_classes=10)
    optimizer = train.create_optimizer(
        "sgd", learning_rate=0.01, momentum=0.9, weight_decay=1e-4, num_steps=1
    )
    plain = train.cross_entropy(network)
    regularized, init_state = least_action.regularize(
        plain, initial=5.0, rate=1.0, every=5, reduction="mean"
    )
    options = {"dataset": dataset, "optimizer": optimizer, "batch_size": BATCH_SIZE}
    carried = least_action.carry_state(network, init_state)
    return Work(
        reference=steps(network, plain, keys=[jax.random.key(0)], **options),
        case=steps(carried, regularized, keys=[jax.random.key(0)], **options),
        counts={"images": BATCH_SIZE},
        note=f"batch {BATCH_SIZE}, 9 blocks of 32 filters at 14 x 14",
    )


def toy_seeds() -> Work:
    """An epoch of the toy on circles: 20 seeds as one program, against one seed."""
    dataset = data.load("circles")
    network = models.create("point_resnet", num_classes=2)
    optimizer = train.create_optimizer(
        "adam", learning_rate=0.01, momentum=0.9, beta_2=0.99, num_steps=1
    )
    objective, init_state = least_action.regularize(
        train.cross_entropy(network), initial=0.1, rate=0.1, every=5
    )
    keys = [jax.random.key(seed) for seed in range(NUM_SEEDS)]
    carried = least_action.carry_state(network, init_state)
    options = {
        "dataset": dataset,
        "optimizer": optimizer,
        "batch_size": TOY_BATCH,
        "num_steps": TOY_STEPS,
    }
    return Work(
        reference=steps(carried, objective, keys=keys[:1], **options),
        case=steps(carried, objective, keys=keys, **options),
        counts={"steps": TOY_STEPS},
        note=f"{TOY_STEPS} steps of {TOY_BATCH} points, hidden 2, one chunk",
    )


def steps(
    network: models.Network,
    objective: train.Objective,
    *,
    dataset: data.Dataset,
    optimizer: Any,
    batch_size: int,
    keys: Sequence[jax.Array],
    num_steps: int = 1,
) -> Callable[[], Any]:
    """Some steps of all seeds through the chunk that training uses."""
    augment = data.augmenter(dataset)
    chunk = train.make_chunk(
        objective,
        optimizer,
        dataset.train,
        preprocess=lambda images, key: augment(images, train=True, key=key),
        batch_size=batch_size,
        max_steps=num_steps,
        dispatch=train.choose_dispatch(network.convolutional, jax.default_backend()),
        vectorize=not network.convolutional,
        keys=keys,
    )
    inputs = augment(dataset.train.inputs[:1])
    initial = train.jit_once(
        lambda key: train.initial_state(network, optimizer, inputs, key=key)
    )
    states = tuple(initial(key) for key in keys)

    def run() -> Any:
        nonlocal states
        states, metrics = chunk(states, num_steps)
        return jax.block_until_ready((states, metrics))

    return run


CASES = (
    Case(
        "least_action_step",
        "a training step of OneRep-9 with LAP against without",
        "at most",
        bar=1.15,
        aim=1.08,
        setup=regularized_step,
    ),
    Case(
        "least_action_seeds",
        f"an epoch of the toy, {NUM_SEEDS} seeds as one program against one seed",
        "at most",
        bar=6.0,
        aim=3.0,
        setup=toy_seeds,
    ),
)
