"""The metrics file and its mirrors."""

import subprocess
import sys

import pytest

from cmd_jax import train


@pytest.fixture
def metrics(tmp_path):
    file = train.MetricsFile(tmp_path / "metrics.jsonl")
    for step in (0, 5, 10):
        file({"step": step, "train/loss": 0.5 * step})
    return file


def test_rows_come_back(metrics):
    assert metrics.read()[1] == {"step": 5, "train/loss": 2.5}
    assert len(metrics.read()) == 3


def test_truncation_drops_what_came_after_the_step_and_a_half_row(metrics):
    with metrics.path.open("a") as file:
        file.write('{"step": 11, "tra')
    assert [row["step"] for row in metrics.read()] == [0, 5, 10]
    metrics.truncate(5)
    metrics({"step": 8, "train/loss": 1.0})
    assert [row["step"] for row in metrics.read()] == [0, 5, 8]
    metrics.truncate(-1)
    assert metrics.read() == []


def test_lost_rows_are_noticed(metrics):
    with pytest.raises(ValueError, match=r"metrics\.jsonl has no row of step 7"):
        metrics.truncate(7)
    assert len(metrics.read()) == 3


def test_an_absent_file_has_no_rows(tmp_path):
    file = train.MetricsFile(tmp_path / "none.jsonl")
    file.truncate(-1)
    assert file.read() == []


def test_a_foreign_file_is_refused_by_path_and_line(metrics):
    with metrics.path.open("a") as file:
        file.write("hello\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 4"):
        metrics.read()


def test_tensorboard_events_are_on_the_disk_when_the_process_ends(tmp_path, repository):
    pytest.importorskip("tensorboardX")
    program = (
        "import pathlib, sys\n"
        "from cmd_jax import train\n"
        "sink = train.tensorboard_sink(pathlib.Path(sys.argv[1]), resume_step=-1)\n"
        "sink({'step': 3, 'train/loss': 0.25})\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "events")],
        check=True,
        cwd=repository,
    )
    (events,) = (tmp_path / "events").iterdir()
    assert b"train/loss" in events.read_bytes()


def test_a_missing_mirror_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="pip install wandb"):
        train.wandb_sink("project", run_id="x", config={})
