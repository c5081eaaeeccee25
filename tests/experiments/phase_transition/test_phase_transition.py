"""The study of phase transitions: from a config to a page, resumed, refused."""

import contextlib

import pytest

from cmd_jax import runs
from experiments.process import seed_groups

CONFIG = """
import pathlib
from cmd_jax import config as configs

def get_config(argument=None):
    config = configs.load(pathlib.Path("{folder}") / "phase_sparse.py", "smoke")
    config.model.num_units = 12
    config.phase_transition.batch_sizes = (4, 24)
    config.phase_transition.num_sweeps = 80
    config.phase_transition.stationary = False
    return config

def sweep():
    return [{{"model.start": start}} for start in {starts}]
"""


@pytest.fixture(scope="module")
def small(repository, tmp_path_factory):
    """`small(*starts)`: the path of a config of a few seconds."""

    def write(*starts):
        path = tmp_path_factory.mktemp("config") / "small.py"
        folder = repository / "configs"
        path.write_text(CONFIG.format(folder=folder, starts=list(starts)))
        return str(path)

    return write


@pytest.fixture(scope="module")
def finished(run_main, small, tmp_path_factory):
    """The folder of two finished runs, from random weights and from the teacher."""
    output = tmp_path_factory.mktemp("finished")
    assert run_main(output, "--config", small("random", "teacher")) == 0
    return output


def _directory(output, start):
    for path in output.glob("small-*"):
        directory = runs.RunDirectory(path)
        if directory.config()["config"]["model"]["start"] == start:
            return directory
    raise AssertionError(start)


def test_a_run_leaves_points_page_and_tables(finished):
    directory = _directory(finished, "random")
    assert directory.finished_seeds() == [0, 1]
    results = directory.seed(0).results()
    assert set(results["measures"]) == {"m=4", "m=24"}
    found = results["measures"]["m=4"]
    assert set(found) == {"error", "passed", "num_sweeps", "overlap"}
    assert 0.2 < found["error"] < 0.6
    assert results["measures"]["m=24"]["error"] < found["error"]
    assert (directory.tables / "points.csv").exists()
    assert set(directory.wall_times()) == {(0, 1)}
    page = directory.report.read_text()
    for words in ("reconstruction", "m_perfect", "both layers are learned"):
        assert words in page


def test_the_last_run_of_a_sweep_shows_the_branches(finished):
    page = _directory(finished, "teacher").report.read_text()
    assert "Branches from random weights and from the teacher" in page


def test_a_finished_run_is_shown_and_not_redone(finished, small, run_main, capsys):
    results = _directory(finished, "random").seed(0).root / "results.json"
    before = results.stat().st_mtime_ns
    assert run_main(finished, "--config", small("random")) == 0
    assert "is finished" in capsys.readouterr().out
    assert results.stat().st_mtime_ns == before


def test_a_stopped_run_goes_on_to_the_same_numbers(
    finished, small, run_main, tmp_path, monkeypatch, capsys
):
    looks = iter([False, True])

    @contextlib.contextmanager
    def stop_at_the_second_look():
        yield lambda: next(looks, False)

    shorter = ("--config.phase_transition.test_every=10",)  # a chunk is 4 tests
    arguments = ("--config", small("random"), *shorter)
    with monkeypatch.context() as patched:
        patched.setattr(seed_groups, "stop_on_signals", stop_at_the_second_look)
        assert run_main(tmp_path / "stopped", *arguments) == 0
    assert "stopped at sweep 40 of 80" in capsys.readouterr().out
    assert not _directory(tmp_path / "stopped", "random").finished_seeds()
    assert run_main(tmp_path / "stopped", *arguments) == 0
    assert "going on from sweep 40" in capsys.readouterr().out
    assert run_main(tmp_path / "whole", *arguments) == 0
    for seed in (0, 1):
        stopped, whole = (
            _directory(tmp_path / name, "random").seed(seed)
            for name in ("stopped", "whole")
        )
        assert stopped.results() == whole.results()


def test_a_dry_run_says_what_it_would_do(small, run_main, tmp_path, capsys):
    arguments = ("--config", small("random"), "--dry_run")
    assert run_main(tmp_path / "runs", *arguments) == 0
    text = capsys.readouterr().out
    assert "batch sizes 4, 24" in text
    assert "replicas    4 on" in text
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.degree=4", "degree=4; a sign unit needs an odd number"),
        ("model.degree=13", "degree=13 with num_units=12"),
        ("model.name=sparse_discret", "did you mean 'sparse_discrete'"),
        ("phase_transition.batch_sizes=(0,4)", "batch_sizes=[0, 4]"),
        ("phase_transition.num_sweeps=30", "num_sweeps=30 with test_every=10"),
        ("train.num_seeds=0", "num_seeds is 0"),
        ("phase_transition.batch_sizes=(4,100000000)", "config.train.num_seeds"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    override, message, small, run_main, tmp_path, capsys
):
    arguments = ("--config", small("random"), f"--config.{override}")
    assert run_main(tmp_path / "runs", *arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert "Traceback" not in text
    assert not (tmp_path / "runs").exists()


def test_it_runs_in_one_process_and_exports_no_network(small, run_main, tmp_path):
    arguments = ("--config", small("random"), "--export", str(tmp_path / "networks"))
    assert run_main(tmp_path / "runs", *arguments) == 2
