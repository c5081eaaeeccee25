"""The loop: where chunks end, what hooks see, when it stops."""

import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import host, train


class _Hook:
    def __init__(self, every):
        self.every, self.seen = every, []

    def next_due(self, step):
        return (step // self.every + 1) * self.every if self.every else None

    def __call__(self, step, states, metrics):
        self.seen.append((step, len(metrics[0]["loss"])))


def _states(step):
    return (train.TrainState(step, {}, {}, ()),) * 2


def _counting_chunk(bad_step=None):
    """States are step counts; the loss of step `bad_step` of the second seed is NaN."""

    def chunk(states, count, *, start=None, following=0):
        losses = np.zeros((2, 10), np.float32)
        losses[:, count:] = np.nan  # beyond what was filled
        start = states[0].step
        if bad_step is not None and start < bad_step <= start + count:
            losses[1, bad_step - start - 1] = np.nan
        metrics = tuple({"loss": jnp.asarray(x)} for x in losses)
        return _states(start + count), metrics

    return chunk


def _train(chunk, hooks, **options):
    settings = {
        "start_step": 0,
        "num_steps": 20,
        "steps_per_epoch": 8,
        "chunk_steps": 5,
    }
    return train.train(_states(0), chunk, hooks, **(settings | options))


def test_a_chunk_ends_at_epochs_hooks_and_its_own_limit():
    hook = _Hook(3)
    states, step = _train(_counting_chunk(), [hook])
    assert step == 20
    assert states == _states(20)
    assert hook.seen == [
        (3, 3), (6, 3), (8, 2), (9, 1), (12, 3), (15, 3), (16, 1), (18, 2), (20, 2)
    ]  # fmt: skip


def test_one_fetch_a_chunk():
    before, hook = host.counter.calls, _Hook(0)
    _train(_counting_chunk(), [hook])
    assert host.counter.calls - before == len(hook.seen) == 5


def test_a_resumed_run_ends_its_chunks_where_the_uninterrupted_one_does():
    whole, rest = _Hook(0), _Hook(0)
    _train(_counting_chunk(), [whole])
    train.train(
        _states(8),
        _counting_chunk(),
        [rest],
        start_step=8,
        num_steps=20,
        steps_per_epoch=8,
        chunk_steps=5,
    )
    assert whole.seen[-3:] == rest.seen


def test_a_loss_that_is_not_finite_names_its_step_and_reaches_no_hook():
    hook = _Hook(0)
    with pytest.raises(train.NonFiniteLossError, match="step 7 is nan") as caught:
        _train(_counting_chunk(bad_step=7), [hook])
    assert (caught.value.step, caught.value.seed_index) == (7, 1)
    assert [step for step, _ in hook.seen] == [5]


def test_stopping_lets_the_chunk_and_its_hooks_finish():
    hook = _Hook(0)
    states, step = _train(
        _counting_chunk(), [hook], should_stop=lambda: len(hook.seen) >= 2
    )
    assert (states, step) == (_states(13), 13)
    assert [step for step, _ in hook.seen] == [5, 8, 13]


def test_a_run_never_stops_at_a_step_that_a_hook_could_not_save():
    saved, late = [], _Hook(0)  # the signal comes after the hook that saves

    def should_stop():
        return len(late.seen) >= 2

    class Saver(_Hook):
        def __call__(self, step, states, metrics):
            if should_stop():
                saved.append(step)

    _, step = _train(_counting_chunk(), [Saver(0), late], should_stop=should_stop)
    assert saved == [step]
