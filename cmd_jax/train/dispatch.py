"""How the steps of a chunk are called: two ways to dispatch the same step.

- "scan": the whole chunk is one program, a loop with a traced number of steps;
- "step": one program per step, called from Python. XLA's CPU compiler makes the
  gradient of a convolution 5-45 times slower inside a loop, so convolutional networks
  use it there; and a training set that stays on the host feeds it batch by batch.

`begin(state, key)` gives what a chunk carries and what its first step is fed;
`step(carry, fed, key, data)` gives the next carry.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from cmd_jax.train.compilation import jit
from cmd_jax.train.feed import Batch
from cmd_jax.train.state import States
from cmd_jax.types import Key


def choose_dispatch(convolutional: bool, backend: str) -> str:
    """The dispatch that is fastest: "step" for convolutions on a CPU, else "scan"."""
    return "step" if convolutional and backend == "cpu" else "scan"


def scanned(begin: Callable, step: Callable, size: int) -> Callable:
    """The chunk as one program, for a group of `size` seeds."""
    begin, step, stack, unstack = _batched(begin, step, size)

    def chunk(states: States, keys: Sequence[Key], count: Any, data: Any) -> Any:
        key = stack(keys)
        carry, order = begin(stack(states), key)
        carry = jax.lax.fori_loop(
            0, count, lambda _, carry: step(carry, order, key, data), carry
        )
        return unstack(carry.train), unstack(carry.metrics)

    compiled = jit(chunk, donate_argnums=0)

    def run(
        states: States, keys: Sequence[Key], count: int, batches: None, data: Any
    ) -> Any:
        del batches
        return compiled(states, keys, count, data)

    return run


def stepped(begin: Callable, step: Callable, size: int) -> Callable:
    """The chunk as a program for each step, for a group of `size` seeds."""
    begin, step, stack, unstack = _batched(begin, step, size)
    first = jit(
        lambda states, keys: begin(stack(states), stack(keys)),
        donate_argnums=0 if size == 1 else (),  # stacks need buffers of their own
    )
    one = jit(step, donate_argnums=0)
    last = jit(lambda carry: (unstack(carry.train), unstack(carry.metrics)))

    def run(
        states: States,
        keys: Sequence[Key],
        count: int,
        batches: Iterator[Batch] | None,
        data: Any,
    ) -> Any:
        key = stack(keys)
        carry, order = first(states, keys)
        for fed in batches if batches is not None else itertools.repeat(order, count):
            carry = one(carry, fed, key, data)
        return last(carry)

    return run


def _batched(
    begin: Callable, step: Callable, size: int
) -> tuple[Callable, Callable, Callable, Callable]:
    """`begin` and `step` for a group of seeds, with how to stack and unstack it."""
    if size == 1:
        return begin, step, lambda members: members[0], lambda group: (group,)

    def stack(members: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)

    def unstack(group: Any) -> tuple[Any, ...]:
        return tuple(jax.tree.map(lambda x, i=i: x[i], group) for i in range(size))

    begin = jax.vmap(begin)
    return begin, jax.vmap(step, in_axes=(0, 0, 0, None)), stack, unstack
