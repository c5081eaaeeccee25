"""How far the assumption of learning transfer holds (arXiv 2305.14122, section 3.1).

A transfer assumes that training moves two networks alike up to a permutation:

    π (θ_1^t - θ_1^{t-1}) ≈ θ_2^t - θ_2^{t-1}          at every t, with one π
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from cmd_jax import host
from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.permutation import Permutation, permute
from cmd_jax.transfer.source_path import AnyTrajectory
from cmd_jax.types import Array, Params


def displacement_cosines(
    source: AnyTrajectory,
    target: AnyTrajectory,
    groups: PermutationGroups,
    permutation: Permutation,
) -> Float[np.ndarray, " steps"]:
    """The cosine of the permuted source's displacement with the target's, by record.

    Args:
      source: records of one training.
      target: as many of the other, at the same steps.
      groups: the permutation groups of the networks' parameters.
      permutation: of the source, such as the Oracle's; the identity says how alike the
        displacements are without one.

    Returns:
      One number for each record after the first; NaN where a network stood still.

    Raises:
      ValueError: the trajectories have records at different steps.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.trajectory import Trajectory
      >>> from cmd_jax.transfer import PermutationGroups, displacement_cosines
      >>> walk = Trajectory({"w": np.float32([[0, 0], [1, 0], [1, 2]])}, np.arange(3))
      >>> back = Trajectory({"w": np.float32([[0, 0], [1, 1], [1, 0]])}, np.arange(3))
      >>> found = displacement_cosines(walk, back, PermutationGroups(()), ())
      >>> [f"{cosine:.2f}" for cosine in found]
      ['0.71', '-1.00']

    References:
      Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
      2305.14122), Figure 3.
    """
    if not np.array_equal(source.steps, target.steps):
        raise ValueError(
            f"the source has records at the steps {source.steps.tolist()}, the target "
            f"at {target.steps.tolist()}: record both alike"
        )
    before = jax.device_put((source[0], target[0]))
    cosines = []
    for record in range(1, len(source)):
        after = jax.device_put((source[record], target[record]))
        cosines.append(_cosine(groups, permutation, before, after))
        before = after
    return host.fetch(jnp.stack(cosines))


@functools.partial(jax.jit, static_argnums=0)
def _cosine(
    groups: PermutationGroups,
    permutation: Permutation,
    before: tuple[Params, Params],
    after: tuple[Params, Params],
) -> Array:
    one, other = optax.tree.sub(after, before)
    one = permute(groups, permutation, one)
    product = optax.tree.vdot(one, other)
    return product / (optax.tree.norm(one) * optax.tree.norm(other))
