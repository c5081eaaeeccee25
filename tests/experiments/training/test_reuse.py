"""A run that takes its training from an earlier one, and what is refused."""

import pathlib
import shutil

import pytest

from cmd_jax import runs

SUBSPACE = (
    "--config",
    "digits_subspace:smoke",
    "--config.train.chunk_steps=20",
    "--config.train.num_seeds=2",
)


@pytest.fixture(scope="module")
def whole(run_main, tmp_path_factory):
    """The directory of a run that trained by itself."""
    output = tmp_path_factory.mktemp("whole")
    assert run_main(output, *SUBSPACE) == 0
    (directory,) = output.iterdir()
    return directory


@pytest.fixture
def killed(monkeypatch):
    """`killed(call, *arguments)`: a call that is killed at the copy's last moment."""

    def die(*arguments):
        raise KeyboardInterrupt

    def run(call, *arguments):
        with monkeypatch.context() as patched:
            patched.setattr(pathlib.Path, "rename", die)
            with pytest.raises(KeyboardInterrupt):
                call(*arguments)

    return run


def test_what_follows_the_training_is_as_if_it_had_been_made(
    run_main, finished, whole, equal_runs, killed, tmp_path, capsys
):
    arguments = (tmp_path, *SUBSPACE, f"--training_of={finished}")
    before = sorted(path.stat().st_mtime_ns for path in finished.rglob("*"))
    killed(run_main, *arguments)
    (directory,) = tmp_path.iterdir()
    run, source = runs.RunDirectory(directory), runs.RunDirectory(finished)
    assert not run.checkpoints([0, 1]).exists()
    for _ in range(2):  # the second has nothing to do
        assert run_main(*arguments) == 0
    said = capsys.readouterr().out
    assert said.count(f"seeds 0 to 1: trained in {finished}") == 1
    assert "training takes" not in said and "is finished; --overwrite" in said
    assert directory.name == whole.name
    equal_runs(whole, directory)
    assert before == sorted(path.stat().st_mtime_ns for path in finished.rglob("*"))
    assert run.wall_times()[0, 1] >= source.wall_times()[0, 1]
    assert f"seed 1 trained in</td><td>{finished.name}, com" in run.report.read_text()
    assert [path.name for path in (directory / "checkpoints").glob(".*")] == []


@pytest.mark.slow
def test_pairs_that_were_trained_once_are_carried_over_in_another_way(
    run_main, equal_runs, tmp_path
):
    first = ("--config", "transfer_digits:smoke")
    assert run_main(tmp_path / "first", *first) == 0
    (source,) = (tmp_path / "first").iterdir()
    other = (*first, "--config.transfer.shares=cosine")
    assert run_main(tmp_path / "whole", *other) == 0
    assert run_main(tmp_path / "reused", *other, f"--training_of={source}") == 0
    (whole,), (reused,) = ((tmp_path / x).iterdir() for x in ("whole", "reused"))
    assert whole.name == reused.name != source.name
    equal_runs(whole, reused)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config.optimizer.learning_rate=0.1",), "in optimizer.learning_rate; allo"),
        (("--config.subspace.methods=()",), "config.subspace.methods is ()"),
        (("--dry_run",), "with --training_of there is none"),
    ],
)
def test_another_training_is_refused(
    arguments, message, run_main, finished, tmp_path, capsys
):
    arguments = (*SUBSPACE, f"--training_of={finished}", *arguments)
    assert run_main(tmp_path / "x", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_without_a_run_and_the_run_itself_are_refused(
    run_main, arguments, finished, tmp_path, capsys
):
    assert run_main(tmp_path, *SUBSPACE, f"--training_of={tmp_path}") == 2
    assert f"--training_of={tmp_path} is no run directory" in capsys.readouterr().err
    itself = (*arguments, f"--training_of={finished}")
    assert run_main(finished.parent, *itself) == 2
    assert "is the directory of this run: leave it out" in capsys.readouterr().err


def test_a_training_in_part_or_unfinished_is_refused(
    run_main, finished, tmp_path, capsys
):
    source = tmp_path / finished.name
    shutil.copytree(finished, source)
    (source / "seed_0" / "results.json").unlink()
    arguments = (*SUBSPACE, f"--training_of={source}")
    assert run_main(tmp_path / "x", *arguments) == 2
    assert "has not finished seed 0: run its command again" in capsys.readouterr().err
    assert run_main(tmp_path / "x", *arguments, "--config.train.num_seeds=1") == 2
    assert "were trained together: ask for all of them" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_training_without_its_seeds_or_checkpoints_is_refused(
    run_main, finished, tmp_path, capsys
):
    arguments = (*SUBSPACE, f"--training_of={finished}", "--config.seed=7")
    assert run_main(tmp_path / "x", *arguments) == 2
    assert "has none of the seeds 7, 8: leave it out" in capsys.readouterr().err
    source = tmp_path / finished.name
    shutil.copytree(finished, source)
    shutil.rmtree(source / "checkpoints" / "seeds_0-1")
    assert run_main(tmp_path / "x", *SUBSPACE, f"--training_of={source}") == 2
    assert "seeds_0-1, where seeds 0 to 1 ended" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_run_that_trained_by_itself_is_kept_unless_overwritten(
    run_main, finished, whole, killed, tmp_path, capsys
):
    directory = tmp_path / whole.name
    shutil.copytree(whole, directory)
    arguments = (tmp_path, *SUBSPACE, f"--training_of={finished}")
    assert run_main(*arguments) == 0
    said = capsys.readouterr().out
    assert "is finished; --overwrite" in said and "trained in" not in said
    unfinished = tmp_path / finished.name
    shutil.copytree(finished, unfinished)
    (unfinished / "seed_0" / "results.json").unlink()
    refused = (tmp_path, *SUBSPACE, f"--training_of={unfinished}", "--overwrite")
    assert run_main(*refused) == 2
    run = runs.RunDirectory(directory)
    assert run.finished_seeds() == [0, 1]
    killed(run_main, *arguments, "--overwrite")
    assert run.finished_seeds() == [] and run.seed(1).training_of.exists()
    assert run_main(tmp_path, *SUBSPACE) == 0  # trains by itself after all
    assert not run.seed(1).training_of.exists()
    assert "trained in" not in run.report.read_text()
