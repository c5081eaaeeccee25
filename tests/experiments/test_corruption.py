"""Damaged files: a message that names the path, or the same answer; never another one.

The generator is seeded. `metrics.jsonl` is a log that nothing is computed from: it has
no checksums, so that a changed digit in it is not noticed.
"""

import random
import shutil
import signal
import time

import jax
import numpy as np
import pytest

from cmd_jax.checkpoints import Checkpoints
from cmd_jax.trajectory import Trajectory, TrajectoryWriter

KINDS = ("truncate", "flip", "zero", "swap", "delete", "text", "extend")
LARGEST_FIRST = 4  # half of the cases hit one of so many largest files: the numbers
OPTIONS = ("--config.record.dtype=bfloat16_delta", "--config.record.num_weights=300")
OUTPUTS = (".html", ".md", ".csv")  # nobody reads them
CHECKPOINTING = "--config.train.checkpoint_every_seconds=0"


def _corrupt(path, kind, draws):
    """Damages one file; "swap" exchanges it with another one of its folder."""
    content = bytearray(path.read_bytes())
    place = draws.randrange(len(content)) if content else 0
    if kind == "truncate":
        path.write_bytes(content[:place])
    elif kind == "flip" and content:
        content[place] ^= 1 << draws.randrange(8)
        path.write_bytes(content)
    elif kind == "zero":
        length = min(draws.randint(1, 64), len(content) - place)
        path.write_bytes(content[:place] + bytes(length) + content[place + length :])
    elif kind == "swap":
        others = [p for p in sorted(path.parent.iterdir()) if p.is_file() and p != path]
        other = draws.choice(others or [path])
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)
    elif kind == "delete":
        path.unlink()
    elif kind == "text":
        path.write_text("not what it was\n")
    elif kind == "extend":
        path.write_bytes(content + draws.randbytes(draws.randint(1, 40)))


def _files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _damage_one(folder, draws):
    """Damages one file of a folder and returns it with the kind of damage."""
    files = [file for file in _files(folder) if file.suffix not in OUTPUTS]
    if draws.random() < 0.5:
        files.sort(key=lambda path: -path.stat().st_size)
        files = files[:LARGEST_FIRST]
    path, kind = draws.choice(files), draws.choice(KINDS)
    _corrupt(path, kind, draws)
    return path, kind


def _open(path):
    """The trajectory and None, or None and why it is refused."""
    try:
        return Trajectory.open(path).load(), None
    except (ValueError, FileNotFoundError) as error:
        return None, str(error)


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "bfloat16_delta"}, {"select": 5, "dtype": "bfloat16_delta"}],
    ids=("float32", "deltas", "sample"),
)
def test_50_damaged_trajectories_each(options, tmp_path, key):
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    values = np.random.default_rng(0).normal(size=(6, 11)).astype(np.float32)
    writer = TrajectoryWriter.create(whole, {"kernel": values[0]}, **options, key=key)
    for step, kernel in enumerate(values):
        writer.append(step, {"kernel": kernel})
    expected, draws, refused = Trajectory.open(whole).load(), random.Random(0), 0
    for _ in range(50):
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(whole, damaged)
        path, kind = _damage_one(damaged, draws)
        found, message = _open(damaged)
        if found is None:
            refused += 1
            assert str(damaged) in message, (path, kind)
            continue
        # One that lost whole entries of its index is the trajectory of a shorter run.
        whole_part = expected[: len(found)]
        np.testing.assert_array_equal(found.steps, whole_part.steps)
        jax.tree.map(np.testing.assert_array_equal, found.params, whole_part.params)
    assert refused >= 25


def test_50_damaged_checkpoints(tmp_path):
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    saved = {
        step: {"kernel": jax.random.normal(jax.random.key(step), (40, 30))}
        for step in (3, 7)
    }
    for step, tree in saved.items():
        Checkpoints(whole).save(step, tree)
    draws, steps = random.Random(0), []
    for _ in range(50):
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(whole, damaged)
        path, kind = _damage_one(damaged / "7", draws)
        resumed = Checkpoints(damaged).resume(saved.get)
        steps.append(resumed.step)
        np.testing.assert_array_equal(
            resumed.tree["kernel"], saved[resumed.step]["kernel"], f"{path} {kind}"
        )
    assert steps.count(3) >= 25


@pytest.fixture(scope="module")
def whole(run_main, arguments, tmp_path_factory):
    """A finished run that recorded a sample as deltas: it has every kind of file."""
    output = tmp_path_factory.mktemp("whole")
    assert run_main(output, *arguments, *OPTIONS) == 0
    (directory,) = output.glob("digits-*")
    return directory


@pytest.fixture(scope="module")
def killed(start_run, whole, tmp_path_factory):
    """The same run, killed when it had two checkpoints."""
    directory = tmp_path_factory.mktemp("killed") / whole.name
    process = start_run(directory.parent, *OPTIONS, CHECKPOINTING)
    while len(list(directory.glob("checkpoints/*/*/checksums.json"))) < 2:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(directory.glob("seed_*/results.json"))
    return directory


def _run_again(state, compared, whole, run_main, words, draws, folder, capsys):
    """Damages one file of a copy of `state` and runs again: whether it was refused."""
    directory = folder / whole.name
    shutil.copytree(state, directory)
    (directory / "report.html").unlink(missing_ok=True)
    shutil.rmtree(directory / "tables", ignore_errors=True)
    path, kind = _damage_one(directory, draws)
    capsys.readouterr()
    code = run_main(folder, *words)
    text = capsys.readouterr().err
    case = f"{kind} {path.relative_to(directory)}: {text}"
    assert code in (0, 2), case
    if code == 2:
        assert str(directory) in text and text.count("error:") == 1, case
        return True
    expected = [file for names in compared for file in sorted(whole.glob(names))]
    assert len(expected) > 5
    for file in expected:
        found = directory / file.relative_to(whole)
        assert found.read_bytes() == file.read_bytes(), f"{case}: {file.name}"
    return False


SEEDS = ("seed_*/trajectory/*", "seed_*/results.json", "seed_*/arrays.npz")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "compared"),
    [("killed", (*SEEDS, "tables/*")), ("whole", ("tables/*",))],
)
def test_30_damaged_runs_each(
    state, compared, run_main, arguments, whole, request, tmp_path, capsys
):
    """Running again refuses, or ends as if nothing had happened."""
    start, words = request.getfixturevalue(state), (*arguments, *OPTIONS)
    draws, refused = random.Random(0), 0
    for number in range(30):
        folder = tmp_path / str(number)
        refused += _run_again(
            start, compared, whole, run_main, words, draws, folder, capsys
        )
    assert 0 < refused < 30
