"""The run directory: who owns which seeds, and what is refused."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from cmd_jax import files, runs

DOCUMENT = {"hash": "0a0a0a0a", "config": {}}


@pytest.fixture
def directory(tmp_path):
    run = runs.RunDirectory(tmp_path / "digits-0a0a0a0a")
    run.create(DOCUMENT)
    return run


def _finish(directory, *seeds):
    for seed in seeds:
        directory.seed(seed).finish({"accuracy": 0.5}, {"x": np.ones(2)})


def test_results_and_arrays_come_back(directory):
    _finish(directory, 3)
    assert directory.seed(3).results() == {"accuracy": 0.5}
    np.testing.assert_array_equal(directory.seed(3).arrays()["x"], np.ones(2))
    assert directory.finished_seeds() == [3]


def test_finished_seeds_are_kept_and_the_missing_ones_grouped(directory):
    _finish(directory, 0, 2)
    assert directory.groups_to_run(range(6)) == [(1,), (3, 4, 5)]


def test_what_was_begun_is_listed(directory):
    _finish(directory, 10, 2)
    (directory.root / "seed_5").mkdir()
    assert directory.seeds() == [2, 5, 10]
    for group in ((0, 1), (2,)):
        with directory.claim(group):
            pass
    assert sorted(directory.groups()) == [(0, 1), (2,)]


def test_a_group_that_was_begun_is_continued_whole(directory):
    with directory.claim((0, 1, 2)):
        pass
    _finish(directory, 0)
    assert directory.groups_to_run(range(5)) == [(0, 1, 2), (3, 4)]


def test_a_group_that_overlaps_an_unfinished_one_is_refused(directory):
    with directory.claim((0, 1, 2)):
        pass
    with (
        pytest.raises(ValueError, match=r"seeds 0 to 2 of .* are unfinished"),
        directory.claim((2, 3)),
    ):
        pass
    _finish(directory, 0, 1, 2)
    with directory.claim((2, 3)):
        assert True


def test_a_second_process_is_refused_other_seeds_are_not(directory):
    program = (
        "import pathlib, sys\n"
        "from cmd_jax import runs\n"
        f"run = runs.RunDirectory(pathlib.Path({str(directory.root)!r}))\n"
        "with run.claim(tuple(map(int, sys.argv[1:]))): print('owned')\n"
    )

    def other(*seeds):
        return subprocess.run(
            [sys.executable, "-c", program, *map(str, seeds)],
            capture_output=True,
            text=True,
            cwd=pathlib.Path(__file__).parent.parent,
        )

    with directory.claim((0, 1)):
        refused, allowed = other(0, 1), other(2, 3)
    assert "held by process" in refused.stderr
    assert allowed.stdout == "owned\n"
    assert other(0, 1).stdout == "owned\n"


def test_directories_of_others_are_refused(directory, tmp_path):
    with pytest.raises(ValueError, match="of another config"):
        directory.check_config({"hash": "ffffffff"})
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="is no run directory"):
        runs.RunDirectory(tmp_path / "mine").check_config(DOCUMENT)
    (directory.root / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not a JSON file"):
        directory.check_config(DOCUMENT)


def test_only_run_directories_are_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="is no run directory"):
        runs.RunDirectory(tmp_path / "mine").remove()
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_damaged_arrays_are_refused_by_path(directory):
    _finish(directory, 0)
    next(directory.seed(0).root.glob("*.npz")).write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"arrays\.npz is damaged"):
        directory.seed(0).arrays()


def test_a_directory_at_work_is_not_removed(directory):
    with directory.claim((0,)), pytest.raises(files.LockedError):
        directory.remove()
    assert directory.root.exists()
    directory.remove()
    assert not directory.root.exists()


def test_wall_times_are_kept_by_group_and_damage_is_named(directory):
    assert directory.wall_times() == {}
    directory.write_wall_time((0, 1, 2), 60.5)
    directory.write_wall_time((3,), 1.0)
    directory.write_wall_time((3,), 2.0)
    assert directory.wall_times() == {(0, 1, 2): 60.5, (3,): 2.0}
    path = directory.root / "wall_time" / "seeds_3-3.json"
    path.write_text(path.read_text().replace("2.0", "1.0"))
    with pytest.raises(ValueError, match=r"seeds_3-3\.json is damaged"):
        directory.wall_times()
