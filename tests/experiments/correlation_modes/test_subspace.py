"""Training in the subspace of a recorded run: resuming, failing, refusing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import config as configs
from cmd_jax import runs
from cmd_jax.trajectory import TrajectoryWriter
from experiments.configured.programs import initial_states
from experiments.configured.setup import prepare
from experiments.correlation_modes import study as correlation_modes
from experiments.correlation_modes import subspace
from experiments.process.interruption import Interrupted
from experiments.training.group import Trained

METHODS = ("p_sgd", "p_bfgs_equal", "p_bfgs_long")


@pytest.fixture
def make_setup(repository):
    """`make_setup(**fields)` of `digits_subspace:smoke`, with "__" for a dot."""

    def make(**fields):
        config = configs.load(repository / "configs" / "digits_subspace.py", "smoke")
        config.estimators = {}
        config.update_from_flattened_dict(
            {name.replace("__", "."): value for name, value in fields.items()}
        )
        setup = prepare(config, None, correlation_modes._blocks(config))
        subspace.check(setup)
        return setup

    return make


@pytest.fixture
def record():
    """Records of a network that walks at random; gives the run's seed as trained."""

    def write(setup, root, should_stop=lambda: False):
        directory = runs.RunDirectory(root).seed(0)
        (state,) = initial_states(setup, [jax.random.key(0)])
        generator, params = np.random.default_rng(0), jax.device_get(state.params)
        if not directory.trajectory.exists():
            writer = TrajectoryWriter.create(directory.trajectory, params)
            for step in setup.schedule.steps:
                writer.append(step, params)
                params = jax.tree.map(
                    lambda x: np.float32(x + 0.1 * generator.standard_normal(x.shape)),
                    params,
                )
        return directory, Trained(state, {}, should_stop)

    return write


def after(number):
    """`should_stop` that says so after some questions."""
    asked = iter(range(10**6))
    return lambda: next(asked) >= number


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf")])
def test_a_learning_rate_that_cannot_train_is_refused(make_setup, rate):
    with pytest.raises(ValueError, match=r"subspace\.learning_rate is .*; it must be"):
        make_setup(subspace__learning_rate=rate)


def test_the_learning_rate_is_that_of_p_sgd_alone(make_setup, record, tmp_path):
    setup = make_setup(subspace__learning_rate=1e-12)
    directory, trained = record(setup, tmp_path)
    found = subspace.train_all(setup, directory, 0, trained)
    still = found["p_sgd"].accuracy
    np.testing.assert_array_equal(still[~np.isnan(still)], still[-1])
    assert found["p_bfgs_equal"].numbers["num_taken"] > 0


def test_only_the_methods_that_are_asked_for_train(make_setup, record, tmp_path):
    # Of P-SGD alone the number of records of P-BFGS (equal) does not matter.
    setup = make_setup(subspace__methods=("p_sgd",), subspace__equal_records=0)
    directory, trained = record(setup, tmp_path)
    assert tuple(subspace.train_all(setup, directory, 0, trained)) == ("p_sgd",)


@pytest.mark.slow
def test_stopped_and_resumed_equals_uninterrupted(make_setup, record, tmp_path):
    setup = make_setup(train__checkpoint_every_seconds=0.0)
    directory, trained = record(setup, tmp_path / "whole")
    expected = subspace.train_all(setup, directory, 0, trained)
    root = tmp_path / "stopped"
    for number in (1, 4):  # in P-SGD's first epoch, in the second of P-BFGS (equal)
        directory, trained = record(setup, root, after(number))
        with pytest.raises(Interrupted):
            subspace.train_all(setup, directory, 0, trained)
    directory, trained = record(setup, root)
    found = subspace.train_all(setup, directory, 0, trained)
    assert tuple(found) == METHODS
    for name in METHODS:
        assert found[name].numbers == expected[name].numbers
        assert found[name].failure == expected[name].failure == ""
        np.testing.assert_array_equal(found[name].accuracy, expected[name].accuracy)
        begun = 2 if name == "p_bfgs_equal" else 3
        nothing = np.isnan(found[name].accuracy)
        assert nothing.tolist() == [True] * begun + [False] * (5 - begun)
    numbers = found["p_bfgs_equal"].numbers
    assert numbers["num_directions"] == 2
    assert 0 < numbers["num_taken"] <= numbers["num_steps"] <= numbers["num_trials"]


def test_what_fails_is_said_with_the_step_and_has_no_accuracy(
    make_setup, record, tmp_path, capsys
):
    setup = make_setup()
    directory, trained = record(setup, tmp_path)
    origin, plain = trained.state.params, setup.objective

    def walled(params, state, batch, key):
        """The origin is the only network with a finite loss."""
        loss, rest = plain(params, state, batch, key)
        pairs = zip(jax.tree.leaves(params), jax.tree.leaves(origin), strict=True)
        moved = jnp.stack([jnp.any(a != b) for a, b in pairs]).any()
        return jnp.where(moved, jnp.inf, loss), rest

    setup = setup._replace(objective=walled)
    found = subspace.train_all(setup, directory, 0, trained)
    steps = found["p_bfgs_long"].numbers["num_steps"]
    never = f"the line search has never succeeded, in the steps 0 to {steps - 1}"
    assert found["p_bfgs_long"].failure.startswith(never)
    assert found["p_sgd"].failure.startswith("the loss of step 2 is inf")
    assert f"seed 0: P-BFGS (long): {never}" in capsys.readouterr().out
    for curve in subspace.curves(found).values():
        assert np.isnan(curve).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"subspace__long_records": 5}, "long_records is 5; allowed are 1 to 4: the"),
        ({"subspace__equal_records": 0}, "equal_records is 0; allowed are 1 to 4"),
        ({"subspace__methods": ("adam",)}, "is .'adam',.; allowed are .* p_sgd"),
        ({"subspace__methods": ()}, r"methods is \(\); allowed are one or more of"),
        ({"subspace__methods": ("p_sgd", "p_sgd")}, "p_bfgs_long, each once"),
        ({"subspace__num_directions": 0}, "num_directions is 0; it must be at least 1"),
        ({"subspace__batch_size": 10**6}, "batch_size is 1000000; allowed are 1 to"),
        ({"record__every_steps": 7}, "that record is not at the end of an epoch"),
        ({"record__num_weights": 50}, "config.record records a part of them"),
    ],
)
def test_what_cannot_be_trained_is_refused(fields, message, make_setup):
    with pytest.raises(ValueError, match=message):
        make_setup(**fields)
