"""Training with embedded weights: rounds, resuming, and what is refused beforehand."""

import jax
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import modes, runs
from cmd_jax.checkpoints import Checkpoints
from experiments.configured import embedding
from experiments.configured.setup import prepare
from experiments.correlation_modes import study as correlation_modes
from experiments.training.embedding_rounds import memory, num_free, template
from experiments.training.group import train_group

NUM_WEIGHTS, NUM_MODES = 64 * 16 + 16 + 16 * 10 + 10, 3
AFTER_ROUNDS = {5: 0, 6: 121 - 3, 7: 121 - 3, 8: 242 - 3}  # embedded, by epoch


class _Killed(BaseException):
    """The end of a process, in this one."""


@pytest.fixture
def make_setup(repository):
    """`make_setup(**fields)` of `digits_embedded:smoke`, with "__" for a dot."""

    def make(**fields):
        config = configs.load(repository / "configs" / "digits_embedded.py", "smoke")
        config.train.checkpoint_every_seconds = 0.0
        config.estimators = {"online": config.estimators.online}
        config.update_from_flattened_dict(
            {name.replace("__", "."): value for name, value in fields.items()}
        )
        setup = prepare(config, None, correlation_modes._blocks(config))
        embedding.check(config, len(setup.schedule))
        return setup

    return make


@pytest.fixture
def train():
    """`train(setup, root)`: the trained seeds, and the bytes of what they wrote."""

    def call(setup, root):
        directory = runs.RunDirectory(root)
        directory.create({"name": "digits_embedded", "hash": ""})
        trained = train_group(setup, directory, setup.seeds, lambda: False)
        paths = sorted(root.glob("seed_*/**/*"))
        files = {p.relative_to(root): p.read_bytes() for p in paths if p.is_file()}
        return [seed.state for seed in trained], files

    return call


def assert_follows_its_references(state):
    """Every embedded weight is where its reference puts it."""
    followed = modes.follow_references(state.optimizer_state.embedding, state.params)
    for found, expected in zip(
        *map(jax.tree.leaves, (state.params, followed)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "treatment", [pytest.param("snap", marks=pytest.mark.slow), "freeze"]
)
def test_at_the_end_of_an_epoch_embedded_weights_follow(
    treatment, make_setup, train, tmp_path
):
    setup = make_setup(embedding__treatment=treatment, train__num_seeds=1)
    (state,), _ = train(setup, tmp_path / "run")
    assert state.optimizer_state.embedding.num_embedded == AFTER_ROUNDS[8]
    assert_follows_its_references(state)


@pytest.mark.slow
def test_tied_resumed_before_at_and_after_a_round_equals_uninterrupted(
    make_setup, train, tmp_path, monkeypatch
):
    setup = make_setup()
    states, files = train(setup, tmp_path / "whole")
    for state in states:
        assert_follows_its_references(state)
        assert state.optimizer_state.embedding.num_embedded == AFTER_ROUNDS[8]
        moment = state.optimizer_state.inner[0].trace
        assert moment.shape == (NUM_WEIGHTS - AFTER_ROUNDS[8],)
    save = Checkpoints.save
    for epoch in (4, 5, 6):  # t = 4, after the epoch 5, has the first round
        step, root = epoch * setup.steps_per_epoch, tmp_path / str(epoch)

        def save_and_die(self, saved_step, tree, last=step):
            save(self, saved_step, tree)
            if saved_step == last:
                raise _Killed

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "save", save_and_die)
            with pytest.raises(_Killed):
                train(setup, root)
        resumed, found = train(setup, root)
        assert found == files
        jax.tree.map(np.testing.assert_array_equal, resumed, states)


@pytest.mark.parametrize("treatment", ["snap", "freeze", "tied"])
def test_what_a_checkpoint_of_each_step_holds(treatment, make_setup):
    setup = make_setup(embedding__treatment=treatment)
    for epoch, embedded in AFTER_ROUNDS.items():
        step = epoch * setup.steps_per_epoch
        free = NUM_WEIGHTS - embedded
        assert num_free(setup, step) == free
        kept = free if treatment == "tied" else NUM_WEIGHTS
        assert memory(template(setup, step).optimizer_state) == 4 * kept


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"embedding__per_cent": 0.0}, r"per_cent is 0.0.*\(see config.embedding\)"),
        ({"embedding__per_cent": 101.0}, "per_cent is 101.0; allowed are numbers"),
        ({"embedding__every_records": 0}, "every_records is 0; it must be at least 1"),
        ({"embedding__criterion": "slope"}, "criterion is 'slope'; allowed are"),
        ({"embedding__treatment": "tide"}, "'tide' .did you mean 'tied'"),
        ({"modes__method": "hierarchical"}, "'hierarchical', which may find fewer"),
        ({"record__pattern": "*kernel"}, "config.record records a part of them"),
        ({"train__total_epochs": 5}, "embeds first at record 4, and the run ends at"),
        ({"estimators__online__every_records": 0}, "which does not follow this run"),
    ],
)
def test_what_cannot_be_embedded_is_refused(fields, message, make_setup):
    with pytest.raises(ValueError, match=message):
        make_setup(**fields)


def test_none_of_the_treatments_is_the_optimizer_alone(make_setup):
    setup = make_setup(embedding__treatment="none")
    assert not embedding.is_asked_for(setup.config)
    assert not isinstance(setup.template.optimizer_state, modes.EmbeddedState)


def test_other_configs_have_no_such_block_and_their_hash_is_as_before(repository):
    config = configs.load(repository / "configs" / "digits.py")
    assert not embedding.is_asked_for(config)
    assert set(correlation_modes._blocks(config)) == {"modes"}
