"""Training: what the loop costs around a bare optimizer step."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from benchmark_cases.case import Case, Work
from cmd_jax import data, models, train
from cmd_jax.train.compilation import jit

BATCH_SIZE = 128
NUM_EXAMPLES = 50_000
STEPS_PER_EPOCH = NUM_EXAMPLES // BATCH_SIZE
NUM_STEPS = 39  # a tenth of an epoch, so that no call crosses its end


def resnet18_step() -> Work:
    """A step of ResNet18 as in Table 1, against its bare jitted gradient."""
    network = models.create("resnet18", num_classes=10)
    optimizer = train.create_optimizer(
        "sgd", learning_rate=0.05, momentum=0.9, num_steps=1
    )
    dataset = data.synthetic(num_train=NUM_EXAMPLES, num_test=1)
    return Work(
        reference=bare_gradient(network, optimizer, dataset),
        case=whole_loop(network, optimizer, dataset, num_steps=1),
        counts={"images": BATCH_SIZE},
        note=f"batch {BATCH_SIZE}, with augmentation, update and metrics",
    )


def lenet5_training() -> Work:
    """LeNet-5 as in Table 1 on images of CIFAR-10's size, `NUM_STEPS` steps a call."""
    setting = lenet5()
    return Work(
        reference=bare_steps(*setting),
        case=whole_loop(*setting, num_steps=NUM_STEPS),
        counts={"images": NUM_STEPS * BATCH_SIZE},
        note=f"{NUM_STEPS} steps of {BATCH_SIZE} images, one chunk",
    )


def lenet5() -> tuple[models.Network, optax.GradientTransformation, data.Dataset]:
    """LeNet-5 as in Table 1, its optimizer, and images of CIFAR-10's size."""
    optimizer = train.create_optimizer(
        "adam", learning_rate=1e-3, momentum=0.9, num_steps=NUM_STEPS
    )
    dataset = data.synthetic(num_train=NUM_EXAMPLES, num_test=1)
    return models.create("lenet5", num_classes=10), optimizer, dataset


def whole_loop(
    network: models.Network,
    optimizer: optax.GradientTransformation,
    dataset: data.Dataset,
    *,
    num_steps: int,
) -> Callable[[], Any]:
    """One chunk through `train`: permutation, augmentation, metrics and their fetch."""
    augment = data.augmenter(dataset, crop_padding=4, flip=True)
    key = jax.random.key(0)
    chunk = train.make_chunk(
        train.cross_entropy(network),
        optimizer,
        dataset.train,
        preprocess=lambda images, key: augment(images, train=True, key=key),
        batch_size=BATCH_SIZE,
        max_steps=num_steps,
        dispatch=train.choose_dispatch(network.convolutional, jax.default_backend()),
        vectorize=False,
        keys=[key],
    )
    inputs = augment(dataset.train.inputs[:BATCH_SIZE])
    states, step = (train.initial_state(network, optimizer, inputs, key=key),), 0

    def run() -> Any:
        nonlocal states, step
        states, step = train.train(
            states,
            chunk,
            hooks=(),
            start_step=step,
            num_steps=step + num_steps,
            steps_per_epoch=STEPS_PER_EPOCH,
            chunk_steps=num_steps,
        )
        return jax.block_until_ready(states)

    return run


def bare_steps(
    network: models.Network,
    optimizer: optax.GradientTransformation,
    dataset: data.Dataset,
) -> Callable[[], Any]:
    """The jitted step alone, on one batch that lies ready on the device."""
    objective = train.cross_entropy(network)
    key, batch = jax.random.key(0), ready_batch(dataset)

    def step(state: train.TrainState) -> train.TrainState:
        gradients, (extra, _) = jax.grad(objective, has_aux=True)(
            state.params, state.state, batch, key
        )
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer_state, state.params
        )
        params = optax.apply_updates(state.params, updates)
        return train.TrainState(state.step + 1, params, extra, optimizer_state)

    compiled = jit(step, donate_argnums=0)
    state = train.initial_state(network, optimizer, batch["inputs"], key=key)

    def run() -> Any:
        nonlocal state
        for _ in range(NUM_STEPS):
            state = compiled(state)
        return jax.block_until_ready(state)

    return run


def bare_gradient(
    network: models.Network,
    optimizer: optax.GradientTransformation,
    dataset: data.Dataset,
) -> Callable[[], Any]:
    """The jitted gradient alone, on one batch that lies ready on the device."""
    key, batch = jax.random.key(0), ready_batch(dataset)
    gradient = jit(jax.grad(train.cross_entropy(network), has_aux=True))
    state = train.initial_state(network, optimizer, batch["inputs"], key=key)
    return lambda: jax.block_until_ready(
        gradient(state.params, state.state, batch, key)
    )


def ready_batch(dataset: data.Dataset) -> dict[str, jax.Array]:
    """The first images, normalised, on the device."""
    return {
        "inputs": data.augmenter(dataset)(dataset.train.inputs[:BATCH_SIZE]),
        "labels": jax.numpy.asarray(dataset.train.labels[:BATCH_SIZE]),
    }


CASES = (
    Case(
        "resnet18_step",
        "a training step of ResNet18 against its bare jitted gradient",
        "at most",
        bar=1.15,
        aim=1.05,
        setup=resnet18_step,
    ),
    Case(
        "lenet5_training",
        "images/s of training LeNet-5 against its jitted step with nothing around it",
        "at least",
        bar=0.9,
        aim=0.97,
        setup=lenet5_training,
    ),
)
