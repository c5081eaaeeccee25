"""25 kills at random moments: each run goes on and ends as the uninterrupted one.

The moments are drawn over the whole run: its start, its training, in which every chunk
is followed by a checkpoint, and the study afterwards. They are counted from what the
run has written, so that a slow machine only takes longer.
"""

import random
import re
import signal
import time

import pytest

OPTIONS = ("--config.train.chunk_steps=4", "--config.modes.num_restarts=2")
NUM_STEPS = 190
NUM_KILLS = 25
CHECKPOINTING = "--config.train.checkpoint_every_seconds=0"
STARTING, TRAINING, FINISHING = 4, 16, 5  # kills in each


def _moments(draws):
    """(step of the checkpoint to wait for, seconds after it) for every kill."""
    starting = [(0, draws.uniform(0, 4)) for _ in range(STARTING)]
    training = [
        (draws.randint(4, NUM_STEPS - 20), draws.uniform(0, 0.15))
        for _ in range(TRAINING)
    ]
    finishing = [(NUM_STEPS, draws.uniform(0, 2)) for _ in range(FINISHING)]
    return starting + training + finishing


def _last_checkpoint(output):
    folders = output.glob("digits-*/checkpoints/seeds_0-1/*")
    return max((int(path.name) for path in folders if path.name.isdigit()), default=0)


def _kill_at(process, output, step, seconds):
    """Kills a run some seconds after its checkpoint of `step`; False if it ended."""
    end = time.monotonic() + 300
    while _last_checkpoint(output) < step and process.poll() is None:
        assert time.monotonic() < end, f"no checkpoint of step {step}"
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_25_kills_at_random_moments(
    start_run, run_main, arguments, equal_runs, tmp_path, capsys
):
    words = (*arguments, *OPTIONS)
    assert run_main(tmp_path / "whole", *words) == 0
    (whole,) = (tmp_path / "whole").glob("digits-*")
    killed, resumed_at = 0, []
    for number, (step, seconds) in enumerate(_moments(random.Random(0))):
        output = tmp_path / str(number)
        process = start_run(output, *OPTIONS, CHECKPOINTING)
        killed += _kill_at(process, output, step, seconds)
        capsys.readouterr()
        assert run_main(output, *words) == 0, capsys.readouterr().err
        found = re.search(r"going on from step (\d+)", capsys.readouterr().out)
        resumed_at.append(int(found[1]) if found else 0)
        equal_runs(whole, output / whole.name)
    assert killed >= 20, f"{killed} of {NUM_KILLS} runs were alive to be killed"
    assert sum(step > 0 for step in resumed_at) >= 15, resumed_at
    assert len(set(resumed_at)) >= 8, resumed_at


def test_the_order_of_hashes_changes_nothing(
    start_run, equal_runs, tmp_path, monkeypatch
):
    processes = []
    for seed in ("0", "1"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        processes.append(start_run(tmp_path / seed))
    for process in processes:
        text, _ = process.communicate()
        assert process.returncode == 0, text
    equal_runs(*tmp_path.glob("*/digits-*"))
