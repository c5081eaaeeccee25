"""Branches: where they start, what they take along, what they are called by."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cmd_jax import config as configs
from cmd_jax import files
from cmd_jax.checkpoints import read_checkpoint
from cmd_jax.train import TrainState
from cmd_jax.trajectory import Trajectory
from experiments.configured import branch
from experiments.configured.programs import initial_states, make_reestimate
from experiments.configured.setup import prepare

STUDY = {"modes": configs.modes().to_dict()}
ADAM = (
    *("--config", "digits:smoke", "--config.optimizer.name=adam"),
    *("--config.optimizer.momentum=0.9", "--config.optimizer.learning_rate=0.01"),
    "--config.optimizer.schedule=cosine",
)


@pytest.fixture(scope="module")
def source(run_main, tmp_path_factory):
    """A finished run by Adam with a cosine schedule, two seeds."""
    output = tmp_path_factory.mktemp("source")
    assert run_main(output, *ADAM) == 0
    (directory,) = output.glob("digits-*")
    return directory


@pytest.fixture
def branch_config(repository):
    def make(run, **options):
        config = configs.load(repository / "configs" / "digits.py", "smoke")
        config.optimizer.name = "adam"
        config.optimizer.momentum = 0.9
        config.optimizer.schedule = "cosine"
        config.branch.update(run=str(run), **options)
        return config

    return make


def _begin(config, tmp_path):
    from cmd_jax.runs import SeedDirectory

    setup = prepare(config, None, STUDY)
    states = initial_states(setup, [jax.random.key(seed) for seed in setup.seeds])
    directories = {seed: SeedDirectory(tmp_path / str(seed)) for seed in setup.seeds}
    begun = branch.begin(setup.config, states, directories, make_reestimate(setup))
    origins = [json.loads(d.branch.read_text()) for d in directories.values()]
    return setup, states, begun, origins


def test_the_end_is_taken_with_its_optimizer_state(source, branch_config, tmp_path):
    setup, initial, begun, origins = _begin(branch_config(source), tmp_path)
    step = setup.config.branch.step
    for seed in (0, 1):
        recorded = Trajectory.open(source / f"seed_{seed}" / "trajectory")[-1]
        assert jax.tree.all(jax.tree.map(np.array_equal, begun[seed].params, recorded))
        moments, schedule = begun[seed].optimizer_state[:2]
        saved = read_checkpoint(
            source / "checkpoints" / "seeds_0-1" / str(step),
            f"states/{seed}/optimizer_state/0",
        )
        expected = type(moments)(**saved)
        assert jax.tree.all(jax.tree.map(np.array_equal, moments, expected))
        assert int(moments.count) == step
        assert isinstance(schedule, optax.ScaleByScheduleState)
        assert int(schedule.count) == 0
        assert int(begun[seed].step) == 0
        assert origins[seed]["optimizer_state"] == "of the source's checkpoint"
        assert origins[seed]["state"] == "none"
        same = jax.tree.structure(begun[seed]) == jax.tree.structure(initial[seed])
        assert same


def test_in_the_middle_the_optimizer_state_is_initial(source, branch_config, tmp_path):
    config = branch_config(source, record=2, seed=1)
    setup, _, begun, origins = _begin(config, tmp_path)
    stored = Trajectory.open(source / "seed_1" / "trajectory")
    assert setup.config.branch.step == stored.steps[2]
    for seed in (0, 1):
        assert jax.tree.all(jax.tree.map(np.array_equal, begun[seed].params, stored[2]))
        counts = [int(x) for x in jax.tree.leaves(begun[seed].optimizer_state[:2])[:1]]
        assert counts == [0]
        assert "no checkpoint of that step" in origins[seed]["optimizer_state"]
        assert (origins[seed]["seed"], origins[seed]["step"]) == (1, stored.steps[2])


def test_another_optimizer_begins_with_its_own_state(source, branch_config, tmp_path):
    config = branch_config(source)
    config.optimizer.name = "sgd"
    _, initial, begun, origins = _begin(config, tmp_path)
    assert "of another kind" in origins[0]["optimizer_state"]
    pairs = (begun[0].optimizer_state, initial[0].optimizer_state)
    assert jax.tree.all(jax.tree.map(np.array_equal, *pairs))


def test_fresh_leaves_keep_their_random_values(source, branch_config, tmp_path):
    config = branch_config(source, fresh="dense_1/*")
    setup, states, begun, origins = _begin(config, tmp_path)
    for seed, (before, after) in enumerate(zip(states, begun, strict=True)):
        trained = Trajectory.open(source / f"seed_{seed}/trajectory")[-1]
        for layer, expected in (("dense_0", trained), ("dense_1", before.params)):
            jax.tree.map(
                np.testing.assert_array_equal, after.params[layer], expected[layer]
            )
        assert origins[seed]["optimizer_state"] == "initial (dense_1/* is fresh)"
    jax.tree.map(
        np.testing.assert_array_equal,
        begun[0].optimizer_state,
        setup.optimizer.init(begun[0].params),
    )


def test_a_head_for_other_classes_begins_at_random(source, branch_config, tmp_path):
    config = branch_config(source, fresh="dense_1/*")
    config.data = configs.defaults().data
    config.data.update(name="synthetic", shape=(8, 8, 1), num_classes=7)
    _, states, begun, _ = _begin(config, tmp_path)
    assert begun[0].params["dense_1"]["kernel"].shape == (16, 7)
    np.testing.assert_array_equal(
        begun[0].params["dense_1"]["bias"], states[0].params["dense_1"]["bias"]
    )


def test_refuses_fresh_leaves_that_there_are_not(source, branch_config):
    config = branch_config(source, fresh="head/*")
    with pytest.raises(
        ValueError, match=r"'head/\*', which no leaf is called; .*dense"
    ):
        prepare(config, None, STUDY)


def test_running_statistics_are_taken_along():
    statistics = {"batch_stats": {"mean": np.ones(3), "var": np.ones(3)}}
    saved = jax.tree.map(lambda x: 2 * x, TrainState(0, {}, statistics, ())._asdict())
    adopted, origin = branch._adopt(statistics, saved, "state")
    assert adopted["batch_stats"]["mean"].tolist() == [2, 2, 2]
    assert origin == "of the source's checkpoint"


def test_running_statistics_are_reestimated_where_there_is_no_checkpoint(
    source, branch_config
):
    setup = prepare(branch_config(source, record=2), None, STUDY)
    (state, _) = initial_states(setup, [jax.random.key(seed) for seed in setup.seeds])
    state = state._replace(state={"batch_stats": {"mean": jnp.zeros(3)}})
    seen = []

    def reestimate(params, statistics):
        seen.append(params)
        return jax.tree.map(lambda x: x + 1, statistics)

    begun, origin = branch._begin_seed(setup.config, state, 0, reestimate)
    assert begun.state["batch_stats"]["mean"].tolist() == [1, 1, 1]
    assert origin["state"].startswith("re-estimated (the source has no checkpoint")
    assert jax.tree.all(jax.tree.map(np.array_equal, begun.params, seen[0]))


def test_a_branch_is_named_by_what_it_starts_from(source, branch_config, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(source, moved)

    def digest(run, **options):
        setup = prepare(branch_config(run, **options), None, STUDY)
        return configs.digest(setup.config)

    last = digest(source)
    assert digest(moved) == last
    assert digest(source, record=5) == last
    assert (
        len({last, digest(source, record=4), digest(source, seed=0), digest("")}) == 4
    )


def test_a_branch_is_run_by_the_command_line(source, run_main, tmp_path, capsys):
    arguments = (*ADAM, f"--config.branch.run={source}", "--config.branch.record=2")
    assert run_main(tmp_path, *arguments, "--dry_run") == 0
    stored = Trajectory.open(source / "seed_1" / "trajectory")
    expected = f"branch      from step {stored.steps[2]} of the same seed of {source}"
    assert expected in capsys.readouterr().out
    assert run_main(tmp_path, *arguments) == 0
    assert "seed 1: from step" in capsys.readouterr().out
    (directory,) = tmp_path.glob("digits-*")
    begun = Trajectory.open(directory / "seed_1" / "trajectory")
    assert begun.steps[0] == 0
    assert jax.tree.all(jax.tree.map(np.array_equal, begun[0], stored[2]))
    document = json.loads((directory / "config.json").read_text())
    assert source.name.endswith(document["config"]["branch"]["source"])
    origin = json.loads((directory / "seed_1" / "branch.json").read_text())
    assert origin["seed"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["branch.run=nowhere"], "'nowhere': there is no run directory"),
        (["branch.record=6"], "record is 6; "),
        (["branch.record=-7"], "the records 0 to 5"),
        (["branch.seed=-2"], "config.branch.seed is -2"),
        (["branch.seed=9"], "has no seed 9; set config.branch.seed to one that"),
        (["train.num_seeds=3"], "has no seed 2"),
        (["model.hidden=(8,)"], "of different networks"),
        (["branch.run=", "branch.record=3"], "config.branch.run is empty"),
    ],
)
def test_refusals(options, message, source, run_main, tmp_path, capsys):
    flags = [f"--config.branch.run={source}", *(f"--config.{x}" for x in options)]
    assert run_main(tmp_path / "runs", *ADAM, *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("trajectory", "records.bin is damaged"),
        ("checkpoint", "is damaged"),
        ("index", "some are lost"),
    ],
)
def test_a_damaged_source_is_refused(what, message, source, run_main, tmp_path, capsys):
    damaged = tmp_path / "damaged"
    shutil.copytree(source, damaged)
    if what == "index":  # of a record less
        path = damaged / "seed_1" / "trajectory" / "index.bin"
        files.truncate(path, path.stat().st_size * 5 // 6)
    elif what == "trajectory":
        path = damaged / "seed_1" / "trajectory" / "records.bin"
        path.write_bytes(b"x" + path.read_bytes()[1:])
    else:
        (path, *_) = damaged.glob("checkpoints/seeds_0-1/*/default/d/*")
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    flags = (*ADAM, f"--config.branch.run={damaged}")
    assert run_main(tmp_path / "runs", *flags) == 2
    text = capsys.readouterr().err
    assert str(damaged) in text and message in text
    assert not (tmp_path / "runs").exists()


def test_a_source_that_recorded_a_part(run_main, tmp_path, capsys):
    part = ("--config", "digits:smoke", "--config.record.pattern=*kernel")
    assert run_main(tmp_path / "part", *part) == 0
    (source,) = (tmp_path / "part").glob("digits-*")
    flags = ("--config", "digits:smoke", f"--config.branch.run={source}")
    assert run_main(tmp_path / "runs", *flags) == 2
    assert "has recorded '*kernel' of its network only" in capsys.readouterr().err
