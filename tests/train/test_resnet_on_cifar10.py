"""A narrow ResNet18 learns real CIFAR-10, and its statistics follow its weights.

400 steps of 64 images at width 8: about 160 seconds of one core.
"""

import types

import jax
import pytest

from cmd_jax import data, models, modes, train
from cmd_jax.trajectory import Trajectory

pytestmark = pytest.mark.slow

_BATCH_SIZE = 64
_NUM_TRAIN, _NUM_TEST, _NUM_STATISTICS = 12_800, 2_000, 5_000
_NUM_RECORDS, _STEPS_PER_RECORD = 16, 25  # two epochs


@pytest.fixture(scope="module")
def cifar10(data_folder):
    whole = data.load("cifar10", directory=str(data_folder))
    return whole._replace(
        train=data.Examples(*(x[:_NUM_TRAIN] for x in whole.train)),
        test=data.Examples(*(x[:_NUM_TEST] for x in whole.test)),
    )


def _narrow(statistics):
    return models.create("resnet18", num_classes=10, width=8, statistics=statistics)


def _dispatch():
    return train.choose_dispatch(True, jax.default_backend())


@pytest.fixture(scope="module")
def trained(cifar10):
    """The records of a training with running statistics, and its last state."""
    network, key = _narrow("running"), jax.random.key(0)
    optimizer = train.create_optimizer(
        "sgd",
        learning_rate=0.05,
        momentum=0.9,
        num_steps=_NUM_RECORDS * _STEPS_PER_RECORD,
    )
    augment = data.augmenter(cifar10, crop_padding=4, flip=True)
    chunk = train.make_chunk(
        train.cross_entropy(network),
        optimizer,
        cifar10.train,
        preprocess=lambda images, key: augment(images, train=True, key=key),
        batch_size=_BATCH_SIZE,
        max_steps=_STEPS_PER_RECORD,
        dispatch=_dispatch(),
        vectorize=False,
        keys=[key],
    )
    inputs = augment(cifar10.train.inputs[:1])
    initial = train.jit_once(
        lambda key: train.initial_state(network, optimizer, inputs, key=key)
    )
    states, records = (initial(key),), []
    for _ in range(_NUM_RECORDS):
        states, _ = chunk(states, _STEPS_PER_RECORD)
        records.append(jax.device_get(states[0].params))
    return types.SimpleNamespace(records=records, state=states[0].state)


@pytest.fixture(scope="module")
def accuracy(cifar10):
    """`accuracy[statistics](params, state)` on the test images."""

    def on_test(statistics):
        evaluate = train.make_evaluate(
            _narrow(statistics),
            cifar10.test,
            preprocess=data.augmenter(cifar10),
            batch_size=128,
            dispatch=_dispatch(),
        )
        return lambda params, state: float(evaluate(params, state)["accuracy"])

    return {statistics: on_test(statistics) for statistics in ("batch", "running")}


@pytest.fixture(scope="module")
def reestimate(cifar10):
    return train.make_reestimate(
        _narrow("running"),
        cifar10.train.inputs[:_NUM_STATISTICS],
        preprocess=data.augmenter(cifar10),
        batch_size=_BATCH_SIZE,
        dispatch=_dispatch(),
    )


def test_learns_and_both_kinds_of_statistics_agree(trained, accuracy, reestimate):
    params = trained.records[-1]
    batch = accuracy["batch"](params, {})
    running = accuracy["running"](params, reestimate(params, trained.state))
    assert batch > 0.3
    assert abs(running - batch) < 0.03


def test_other_weights_need_statistics_of_their_own(trained, accuracy, reestimate):
    trajectory = Trajectory.stack(trained.records)
    decomposition = modes.decompose(
        trajectory, num_modes=3, num_samples=300, key=jax.random.key(0)
    )
    for params in (
        modes.reconstruct(decomposition, record=5),
        jax.tree.map(lambda x: x.mean(axis=0), trajectory.params),
    ):
        batch = accuracy["batch"](params, {})
        stale = accuracy["running"](params, trained.state)
        fresh = accuracy["running"](params, reestimate(params, trained.state))
        assert abs(fresh - batch) < 0.03
        assert fresh > stale + 0.05
