"""The transport cost: how far a network's residual blocks move their data.

C = Σ_k ‖v_k(x_k)‖² over the blocks, the kinetic energy of the Euler scheme
x_{k+1} = x_k + h v_k (arXiv 2009.08372, section 3): squares are summed over blocks, so
a straight path at constant speed is the cheapest between two points.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Float

from cmd_jax.types import Array

REDUCTIONS = ("sum", "mean", "norm")


def transport_cost(
    residues: Sequence[Array], *, reduction: str = "sum"
) -> Float[Array, ""]:
    """The transport cost of a batch.

    Args:
      residues: v_k of each block, [batch, ...], without the step h.
      reduction: over the features of an example. `"sum"` is the paper's formula;
        `"mean"` divides the cost of a block by its number of features, as the released
        image code does; both are means over the batch. `"norm"` is the un-squared norm
        of a block's residues of the whole batch, as in the released toy code: its
        minimum is no straight path.

    Returns:
      C, a float32 scalar.

    Raises:
      ValueError: there is no residue, one that is no batch of the same size, or an
        unknown reduction.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import least_action
      >>> residues = [jnp.ones((8, 2)), 2 * jnp.ones((8, 2))]
      >>> float(least_action.transport_cost(residues))
      10.0
      >>> float(least_action.transport_cost(residues, reduction="mean"))
      5.0
    """
    check_reduction(reduction)
    if len(residues) == 0:
        raise ValueError(
            "no residue: the network has no block that keeps the dimension, or does "
            'not tell of it; aux["residues"] of the objective has to hold one array '
            "a block (a Linen module of this project calls `models.advance`)"
        )
    _check_batches(residues)
    squares = [jnp.sum(jnp.square(v.astype(jnp.float32))) for v in residues]
    if reduction == "norm":
        return sum((_norm(square) for square in squares), jnp.zeros(()))
    sizes = [v.size if reduction == "mean" else v.shape[0] for v in residues]
    costs = (square / size for square, size in zip(squares, sizes, strict=True))
    return sum(costs, jnp.zeros(()))


def check_reduction(reduction: str) -> None:
    """Refuses an unknown reduction.

    Raises:
      ValueError: names it and those that are allowed.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"reduction={reduction!r}; allowed are {', '.join(map(repr, REDUCTIONS))}"
        )


def _check_batches(residues: Sequence[Array]) -> None:
    for block, v in enumerate(residues):
        if v.ndim == 0 or v.shape[0] != residues[0].shape[0]:
            raise ValueError(
                f"the residue of block {block} has the shape {v.shape}; its first axis "
                f"must be the batch, as that of block 0, {residues[0].shape}"
            )


def _norm(square: Array) -> Array:
    """The square root, with derivative 0 at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
