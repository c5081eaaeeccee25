"""Passages: what a residual block did to its data, for those who look on.

A residual network is the Euler scheme x_{k+1} = x_k + h v_k(x_k) of a flow. The one
convention: a network's outermost module calls `enter` before a block and `advance`
after it. Both cost nothing where nobody looks.
"""

from typing import NamedTuple

from flax import linen as nn
from jaxtyping import Float

from cmd_jax.models.sizes import check_sizes
from cmd_jax.types import Array

PASSAGES, SHIFTS = "passages", "shifts"  # collections of variables, as Linen has them


class Passage(NamedTuple):
    """One block's part in the flow of a batch.

    Attributes:
      start: what the residue is added to, x_k; behind a projection shortcut its output.
      residue: v_k, of the same shape.
      step: h, what the residue is multiplied by.
    """

    start: Float[Array, "batch *features"]
    residue: Float[Array, "batch *features"]
    step: float | Float[Array, ""]


def enter(module: nn.Module, block: int, x: Array) -> Array:
    """What a block takes in: x, plus a shift where one is given (for gradients at x).

    Args:
      module: the outermost one.
      block: the number of the block, from 0.
      x: the data before it. A block with a projection shortcut does not call this.
    """
    return module.perturb(f"block_{block}", x, SHIFTS)


def advance(
    module: nn.Module, start: Array, residue: Array, *, step: float = 1.0
) -> Array:
    """The data after a block: start + step * residue, which the module tells of.

    Raises:
      ValueError: the residue has another shape than its start: such a block has no
        displacement, and is left out of the flow or given a projection shortcut.
    """
    if start.shape != residue.shape:
        raise ValueError(
            f"a residue of shape {residue.shape[1:]} on data of shape "
            f"{start.shape[1:]}; a block of the flow keeps the shape: give it a "
            "projection shortcut, or do not call `advance` for it"
        )
    tell(module, Passage(start, residue, step))
    return start + residue if step == 1 else start + step * residue


def tell(module: nn.Module, passage: Passage) -> None:
    """Adds a passage to those that the module tells of, for what cannot `advance`."""
    module.sow(PASSAGES, "passage", passage)


def check_flow(num_blocks: int, step: float) -> None:
    """Refuses a flow without blocks or with a step that is not positive.

    Raises:
      ValueError: names the value and what is allowed.
    """
    check_sizes(num_blocks=num_blocks)
    if not 0 < step < float("inf"):
        raise ValueError(f"step={step}; allowed are positive numbers")
