"""Is the teacher stable under SGD? Growth and gradient noise of a small perturbation.

At the teacher every gradient vanishes, whatever the batch: it is a fixed point of SGD,
and training can end there only if perturbations shrink. An infinitesimal one follows
the derivative of the step, so that nothing is rounded away; one of 1e-6 does the same
until it has grown a thousandfold.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from cmd_jax import host, rng
from cmd_jax.phase_transition.continuous import TwoLayer
from cmd_jax.phase_transition.gradient import ContinuousModel, Problem
from cmd_jax.phase_transition.noise_scale import gradient_noise_scale
from cmd_jax.types import Array, Key

_DISTANCE = 1e-2  # from the teacher, in the weights of an unrelated student


def perturbation_growth(
    model: ContinuousModel,
    *,
    batch_sizes: Sequence[int],
    seeds: Sequence[Key],
    num_steps: int = 4000,
) -> Float[np.ndarray, "points seeds"]:
    """The mean logarithm by which a perturbation of the teacher grows in one step.

    It is the largest Lyapunov exponent of the fixed point, from the second half of the
    steps: negative where SGD comes back to the teacher, positive where it leaves.

    Args:
      model: what is learned.
      batch_sizes: m.
      seeds: a key for each seed, as for `Sweep`, whose replicas these are.
      num_steps: of the perturbation; the first half of them lets it find its direction.

    Raises:
      ValueError: a number that is not allowed; the message names it.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition as pt
      >>> model = pt.ContinuousModel(num_units=8, degree=3, learning_rate=0.5)
      >>> growth = pt.perturbation_growth(
      ...     model, batch_sizes=[16], seeds=[jax.random.key(0)], num_steps=200
      ... )
      >>> bool(growth[0, 0] < 0)
      True
    """
    keys = [rng.stream(seed, "replica", m) for m in batch_sizes for seed in seeds]
    sizes = np.repeat(np.asarray(batch_sizes), len(seeds)).tolist()
    problem, start = model._replace(start="random").problem(sizes, keys)
    growth = _make_growth(model, num_steps)(problem, start, jnp.stack(keys))
    return np.reshape(host.fetch(growth), (len(batch_sizes), len(seeds)))


def _make_growth(model: ContinuousModel, num_steps: int):
    def replica(problem: Problem, start: TwoLayer, key: Key) -> Float[Array, ""]:
        def step(perturbation: TwoLayer, number: Array) -> tuple[TwoLayer, Array]:
            inputs = model.batch(problem, rng.stream(key, "perturbed", number))
            _, moved = jax.jvp(
                lambda weights: model.step(weights, problem, inputs),
                (problem.teacher,),
                (perturbation,),
            )
            norm = optax.tree.norm(moved)
            return jax.tree.map(lambda leaf: leaf / norm, moved), jnp.log(norm)

        _, logarithms = jax.lax.scan(step, start, jnp.arange(num_steps))
        return logarithms[num_steps // 2 :].mean()

    return jax.jit(jax.vmap(replica))


def noise_scale_near_teacher(
    model: ContinuousModel, *, seeds: Sequence[Key], num_examples: int = 1000
) -> Float[np.ndarray, " seeds"]:
    """The gradient noise scale B of students a small step away from their teachers.

    Of one linear unit it is d - 1, and SGD is stable from m_c = η B / (2 - η) on. Here
    it is a comparison only: the directions have different curvatures.

    Args:
      model: what is learned.
      seeds: a key for each seed, as for `Sweep`, whose replicas of m = 1 these are.
      num_examples: patterns whose own gradients are taken.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition as pt
      >>> model = pt.ContinuousModel(num_units=8, degree=3, learning_rate=0.5)
      >>> scale = pt.noise_scale_near_teacher(
      ...     model, seeds=[jax.random.key(0)], num_examples=100
      ... )
      >>> bool(scale[0] > 0)
      True
    """
    # Gradients do not know the learning rate: a small one is stable at m = 1 too.
    still = model._replace(start="random", learning_rate=1e-9)

    @jax.jit
    def gradients(problem: Problem, away: TwoLayer, key: Key) -> Array:
        student = jax.tree.map(lambda w, x: w + _DISTANCE * x, problem.teacher, away)

        def one(key: Key) -> Array:
            inputs = model.batch(problem, key)
            return ravel_pytree(model.gradient(student, problem, inputs))[0]

        return jax.vmap(one)(jax.random.split(key, num_examples))

    scales = []
    for seed in seeds:  # one after another: the gradients of all examples are large
        key = rng.stream(seed, "replica", 1)
        problem, away = jax.tree.map(lambda leaf: leaf[0], still.problem([1], [key]))
        scales.append(gradient_noise_scale(host.fetch(gradients(problem, away, key))))
    return np.array(scales)
