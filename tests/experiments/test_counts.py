"""What training costs beside its steps: fetches to the host, and compilations."""

import itertools

import jax
import pytest

from cmd_jax import host, train
from cmd_jax.trajectory import Trajectory

COMPILED = "/jax/core/compile/backend_compile_duration"


class _Probe:
    """The hook after all others: fetches and compilations up to each chunk's end."""

    def __init__(self):
        self.ends, self.fetches, self.compilations = [], [], []
        self._compiled = self._fetched_before = 0
        jax.monitoring.register_event_duration_secs_listener(self._count)

    def start(self):
        self._fetched_before = host.counter.calls

    def _count(self, event, duration, **details):
        self._compiled += event == COMPILED

    def next_due(self, step):
        return None

    def __call__(self, step, states, metrics):
        self.ends.append(step)
        self.fetches.append(host.counter.calls - self._fetched_before)
        self.compilations.append(self._compiled)


@pytest.fixture
def probe(monkeypatch):
    """A probe that the next run's loop gets as its last hook."""
    probe, loop = _Probe(), train.train

    def watched(states, chunk, hooks, **options):
        probe.start()
        return loop(states, chunk, [*hooks, probe], **options)

    monkeypatch.setattr(train, "train", watched)
    yield probe
    jax.monitoring.clear_event_listeners()


LEFT_OUT = tuple(
    f"--config.estimators.{name}.every_records=0"
    for name in ("ema", "swa", "lawa", "online", "random_references")
)


@pytest.mark.parametrize("dispatch", ["scan", "step"])
@pytest.mark.parametrize("followed", [1, 0])
def test_one_fetch_a_chunk_and_no_compilation_after_the_first_epoch(
    probe, run_main, tmp_path, dispatch, followed
):
    options = (
        "--config=digits:smoke",
        f"--config.train.dispatch={dispatch}",
        "--config.train.chunk_steps=20",
        "--config.train.checkpoint_every_seconds=1000",
        "--config.record.num_log_spaced=12",
        "--config.record.every_epochs=2",
        *LEFT_OUT[followed:],
    )
    assert run_main(tmp_path, *options) == 0
    epoch = 38  # steps; the run has 5 epochs
    records = _recorded(tmp_path)
    assert probe.ends[-1] == 5 * epoch and len(probe.ends) == 20
    tests = 1 + followed  # the network, and all estimators together
    due = [1 + tests * (step % epoch == 0) + (step in records) for step in probe.ends]
    assert probe.fetches == list(itertools.accumulate(due))
    after_first = probe.ends.index(epoch)
    assert probe.compilations[0] > 0
    assert probe.compilations[-1] == probe.compilations[after_first]


def _recorded(output):
    (path,) = output.glob("digits-*/seed_0/trajectory")
    return set(Trajectory.open(path).steps.tolist())
