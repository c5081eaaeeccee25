"""SGD over mini-batch sizes: the step, the batches, the ends, and seven thresholds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cmd_jax import rng
from cmd_jax.phase_transition import (
    ContinuousModel,
    noise_scale_near_teacher,
    outcomes,
    perturbation_growth,
    success_threshold,
    sweep,
)

MODEL = ContinuousModel(num_units=12, degree=3, learning_rate=0.3)

# Model, batch sizes, steps; the last that fails and the first that learns (reference
# measurements on this reconstruction, 4 seeds).
SEVEN_CASES = {
    "sparse-9-0.25": (ContinuousModel(60, 9, 0.25), (1, 2, 3), 3000, (1, 2)),
    "sparse-9-0.5": (ContinuousModel(60, 9, 0.5), (2, 3, 4, 5), 3000, (3, 4)),
    "sparse-9-1": (ContinuousModel(60, 9, 1.0), (6, 7, 8, 9, 10), 3000, (8, 9)),
    "sparse-5-1": (ContinuousModel(60, 5, 1.0), (2, 3, 4, 5), 3000, (3, 4)),
    "sparse-15-0.5": (ContinuousModel(60, 15, 0.5), (4, 5, 6, 7, 8), 3000, (6, 7)),
    "dense-30": (ContinuousModel(30, 3, 0.25, True), (3, 4, 6, 8), 12000, (4, 6)),
    "dense-60": (ContinuousModel(60, 3, 0.25, True), (6, 8, 12, 16), 12000, (8, 12)),
}


def single(tree):
    return jax.tree.map(lambda leaf: leaf[0], tree)


def numpy_step(weights, teacher, mask, x, learning_rate):
    """One step of SGD on a batch without padding, in float64."""
    first, second = (np.asarray(w, np.float64) for w in weights)
    hidden = np.tanh(x @ first.T)
    target = np.tanh(x @ np.asarray(teacher.hidden, float).T) @ teacher.output.T
    residual = (hidden @ second.T - target) / len(x)
    back = (residual @ second) * (1 - hidden**2)
    moves = back.T @ x, residual.T @ hidden
    return [
        w - learning_rate * m * move
        for w, m, move in zip((first, second), mask, moves, strict=True)
    ]


def test_a_padded_step_is_the_step_on_the_patterns_that_count(key):
    problem, student = MODEL.problem([4, 7], [key, key])
    problem, student = single(problem), single(student)
    inputs = MODEL.batch(problem, key)
    assert inputs.shape == (7, 12) and set(np.unique(inputs)) == {-1, 1}
    found = MODEL.step(student, problem, inputs)
    expected = numpy_step(
        student, problem.teacher, problem.mask, np.asarray(inputs, float)[:4], 0.3
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_padding_does_not_change_the_patterns(key):
    (short, _), (long, _) = MODEL.problem([4], [key]), MODEL.problem([4, 70], [key] * 2)
    few, many = (MODEL.batch(single(problem), key) for problem in (short, long))
    np.testing.assert_array_equal(few, many[:4])


def test_batches_of_a_training_set_hold_its_examples_only(key):
    keys = jax.random.split(key, 50)
    for replacement in (True, False):
        model = MODEL._replace(num_examples=8, replacement=replacement)
        problem, _ = model.problem([8], [key])
        batches = jax.vmap(model.batch, (None, 0))(single(problem), keys)
        seen = np.unique(np.reshape(batches, (-1, 12)), axis=0)
        distinct = [len(np.unique(batch, axis=0)) for batch in np.asarray(batches)]
        assert len(seen) == 8
        assert (min(distinct) == 8) == (not replacement)


def test_the_teacher_stays_where_it_is(key):
    model = MODEL._replace(start="teacher", dense=True)
    diagram = sweep(
        model, batch_sizes=[1, 40], num_seeds=1, num_sweeps=40, test_every=20, key=key
    )
    assert outcomes(diagram).tolist() == [["converges"]] * 2
    assert diagram.start == "teacher" and (diagram.num_sweeps == 20).all()
    np.testing.assert_allclose(diagram.overlap, 1, atol=1e-6)


@pytest.fixture(scope="module")
def sparse_diagram():
    """d = 5 at η = 1, N = 60: m = 2 diverges, m = 6 learns; the formula gives 4."""
    model = ContinuousModel(num_units=60, degree=5, learning_rate=1.0)
    return sweep(
        model,
        batch_sizes=[2, 6],
        num_seeds=2,
        num_sweeps=400,
        test_every=100,
        key=jax.random.key(0),
    )


def test_small_batches_diverge_and_larger_ones_learn(sparse_diagram):
    assert outcomes(sparse_diagram).tolist() == [["diverges"] * 2, ["converges"] * 2]
    assert np.isinf(sparse_diagram.error[0]).all()
    assert (sparse_diagram.error[1] == 0).all()
    assert (sparse_diagram.overlap[1] > 0.99).all()


def test_an_error_that_stays_is_a_plateau(sparse_diagram):
    stays = sparse_diagram._replace(
        error=np.array([[0.3, np.inf], [0, 0]]),
        passed=np.array([[False, False], [True, True]]),
    )
    assert outcomes(stays)[0].tolist() == ["plateau", "diverges"]


@pytest.mark.parametrize("dense", [False, True])
def test_the_growth_is_that_of_a_perturbation_of_a_millionth(key, dense):
    model, num_steps = MODEL._replace(learning_rate=0.4, dense=dense), 40
    found = perturbation_growth(
        model, batch_sizes=[3], seeds=[key], num_steps=num_steps
    )
    replica = rng.stream(key, "replica", 3)
    problem, start = (single(tree) for tree in model.problem([3], [replica]))
    length = np.sqrt(sum(np.sum(leaf**2) for leaf in start))
    weights = [
        t.astype(float) + 1e-6 * leaf / length
        for t, leaf in zip(problem.teacher, start, strict=True)
    ]
    sizes = []
    for step in range(num_steps):
        inputs = model.batch(problem, rng.stream(replica, "perturbed", jnp.array(step)))
        weights = numpy_step(
            weights, problem.teacher, problem.mask, np.asarray(inputs, float), 0.4
        )
        moved = [w - t for w, t in zip(weights, problem.teacher, strict=True)]
        sizes.append(np.sqrt(sum(np.sum(leaf**2) for leaf in moved)))
    second_half = np.log(sizes[-1] / sizes[num_steps // 2 - 1]) / (num_steps // 2)
    assert np.isclose(found[0, 0], second_half, atol=2e-3)


def test_the_gradient_noise_is_about_that_of_linear_units_in_two_layers(key):
    """Each layer has the noise of its own d - 1, and both share one signal."""
    model = ContinuousModel(num_units=40, degree=5, learning_rate=0.5)
    (scale,) = noise_scale_near_teacher(model, seeds=[key], num_examples=500)
    assert 4 < scale < 3 * 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"degree": 13}, "degree=13"),
        ({"num_examples": 3, "replacement": False}, "num_examples=3"),
        ({"activation": "sign"}, "allowed are tanh, relu"),
    ],
)
def test_impossible_models_are_refused(key, change, words):
    with pytest.raises(ValueError, match=words):
        MODEL._replace(**change).problem([4], [key])


@pytest.mark.parametrize("learning_rate", [1.9, 2.5])
def test_an_unstable_learning_rate_is_warned_of_with_the_formula(key, learning_rate):
    with pytest.warns(UserWarning, match=r"η \(3 - 1\) / \(2 - η\)"):
        MODEL._replace(learning_rate=learning_rate).problem([2], [key])


def grid_distance(sizes, found, expected):
    return max(
        abs(sizes.index(a) - sizes.index(b))
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", SEVEN_CASES)
def test_sgd_learns_from_the_batch_size_of_the_reference_on(case, key):
    model, sizes, num_steps, expected = SEVEN_CASES[case]
    diagram = sweep(
        model,
        batch_sizes=sizes,
        num_seeds=4,
        num_sweeps=num_steps,
        test_every=100 if num_steps == 3000 else 500,
        key=key,
    )
    threshold = success_threshold(diagram, key=key)
    assert grid_distance(sizes, (threshold.below, threshold.above), expected) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("case", SEVEN_CASES)
def test_the_teacher_is_stable_from_the_batch_size_of_the_reference_on(case, key):
    model, sizes, _, expected = SEVEN_CASES[case]
    seeds = list(jax.random.split(key, 4))
    growth = perturbation_growth(model, batch_sizes=sizes, seeds=seeds)
    stable = growth.mean(axis=1) < 0
    first = int(np.flatnonzero(~stable)[-1]) + 1
    assert grid_distance(sizes, (sizes[first - 1], sizes[first]), expected) <= 1
