"""A chunk: some optimizer steps of every seed, compiled once for any number of steps.

The data set lives on the device as uint8; shuffling and augmentation happen inside. A
chunk never crosses the end of an epoch, so it needs one permutation. Two ways to
dispatch the same step:

- "scan": the whole chunk is one program, a loop with a traced number of steps;
- "step": one program per step, called from Python. XLA's CPU compiler makes the
  gradient of a convolution 5-45 times slower inside a loop, so convolutional networks
  use it there.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from cmd_jax import rng
from cmd_jax.data import Examples, batch_indices, epoch_permutation
from cmd_jax.train.compilation import jit
from cmd_jax.train.objective import Objective
from cmd_jax.train.state import TrainState
from cmd_jax.types import Array, Key

States = tuple[TrainState, ...]
Metrics = dict[str, Float[Array, " steps"]]
Preprocess = Callable[[Array, Key], Float[Array, "batch height width channels"]]
Chunk = Callable[[States, int], tuple[States, tuple[Metrics, ...]]]


class _Carry(NamedTuple):
    train: TrainState
    metrics: Metrics
    position: Int[Array, ""]


def choose_dispatch(convolutional: bool, backend: str) -> str:
    """The dispatch that is fastest: "step" for convolutions on a CPU, else "scan"."""
    return "step" if convolutional and backend == "cpu" else "scan"


def make_chunk(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    examples: Examples,
    *,
    preprocess: Preprocess,
    batch_size: int,
    max_steps: int,
    dispatch: str,
    vectorize: bool,
    keys: Sequence[Key],
) -> Chunk:
    """Builds the function that trains all seeds for some steps of one epoch.

    Args:
      objective: (params, state, batch, key) -> (loss, (state, aux)).
      optimizer: an Optax transformation.
      examples: the training set; it is moved to the device here, once.
      preprocess: (uint8 images, key) -> float32 inputs, in training mode.
      batch_size: examples of a step; the remainder of an epoch is left out.
      max_steps: the longest chunk; the length of the metrics' buffers.
      dispatch: "scan" or "step".
      vectorize: True trains the seeds side by side (vmap), False one after another.
      keys: one root key per seed.

    Returns:
      `chunk(states, count) -> (states, metrics)`: one TrainState and one dict of
      metrics (arrays of length max_steps, the first `count` filled) per seed. The
      states that were passed in are donated.
    """
    if dispatch not in ("scan", "step"):
        raise ValueError(
            f"unknown dispatch {dispatch!r}; allowed are 'scan' and 'step'"
        )
    data = jax.device_put((examples.inputs, examples.labels))
    begin = _make_begin(objective, data, preprocess, batch_size, max_steps)
    step = _make_step(objective, optimizer, preprocess, batch_size)
    groups = [tuple(keys)] if vectorize else [(key,) for key in keys]
    build = _scanned if dispatch == "scan" else _stepped
    run = build(begin, step, len(groups[0]))

    def chunk(states: States, count: int) -> tuple[States, tuple[Metrics, ...]]:
        done: list[tuple[TrainState, Metrics]] = []
        for group in groups:
            members = states[len(done) : len(done) + len(group)]
            done += zip(*run(members, group, count, data), strict=True)
        return tuple(s for s, _ in done), tuple(m for _, m in done)

    return chunk


def _make_begin(
    objective: Objective,
    data: tuple[Array, Array],
    preprocess: Preprocess,
    batch_size: int,
    max_steps: int,
) -> Callable[[TrainState, Key, Any], tuple[_Carry, Array]]:
    def begin(train: TrainState, key: Key, data: Any) -> tuple[_Carry, Array]:
        num_examples = data[0].shape[0]
        epoch = train.step // (num_examples // batch_size)
        metrics = jax.tree.map(
            lambda x: jnp.zeros(max_steps, jnp.float32), metric_shapes(train, key)
        )
        carry = _Carry(train, metrics, jnp.zeros((), jnp.int32))
        return carry, epoch_permutation(key, epoch, num_examples)

    def metric_shapes(train: TrainState, key: Key) -> dict[str, Any]:
        images, labels = (x[:batch_size] for x in data)
        batch = {"inputs": jax.eval_shape(preprocess, images, key), "labels": labels}
        loss, (_, aux) = jax.eval_shape(
            objective, train.params, train.state, batch, key
        )
        return {"loss": loss, **aux["metrics"]}

    return begin


def _make_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    preprocess: Preprocess,
    batch_size: int,
) -> Callable[[_Carry, Array, Key, Any], _Carry]:
    gradient = jax.value_and_grad(objective, has_aux=True)

    def step(carry: _Carry, permutation: Array, key: Key, data: Any) -> _Carry:
        train = carry.train
        steps_per_epoch = permutation.shape[0] // batch_size
        batch = train.step % steps_per_epoch
        index = batch_indices(permutation, batch, batch_size=batch_size)
        images, labels = (jnp.take(x, index, axis=0) for x in data)
        inputs = preprocess(images, rng.stream(key, "augment", train.step))
        (loss, (state, aux)), gradients = gradient(
            train.params,
            train.state,
            {"inputs": inputs, "labels": labels},
            rng.stream(key, "objective", train.step),
        )
        updates, optimizer_state = optimizer.update(
            gradients, train.optimizer_state, train.params
        )
        params = optax.apply_updates(train.params, updates)
        metrics = {
            name: carry.metrics[name].at[carry.position].set(value)
            for name, value in {"loss": loss, **aux["metrics"]}.items()
        }
        train = TrainState(train.step + 1, params, state, optimizer_state)
        return _Carry(train, metrics, carry.position + 1)

    return step


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

    begin = jax.vmap(begin, in_axes=(0, 0, None))
    return begin, jax.vmap(step, in_axes=(0, 0, 0, None)), stack, unstack


def _scanned(begin: Callable, step: Callable, size: int) -> Callable:
    begin, step, stack, unstack = _batched(begin, step, size)

    def run(states: States, keys: Sequence[Key], count: Any, data: Any) -> Any:
        key = stack(keys)
        carry, permutation = begin(stack(states), key, data)
        carry = jax.lax.fori_loop(
            0, count, lambda _, carry: step(carry, permutation, key, data), carry
        )
        return unstack(carry.train), unstack(carry.metrics)

    return jit(run, donate_argnums=0)


def _stepped(begin: Callable, step: Callable, size: int) -> Callable:
    begin, step, stack, unstack = _batched(begin, step, size)
    first = jit(
        lambda states, keys, data: begin(stack(states), stack(keys), data),
        donate_argnums=0 if size == 1 else (),  # stacks need buffers of their own
    )
    one = jit(step, donate_argnums=0)
    last = jit(lambda carry: (unstack(carry.train), unstack(carry.metrics)))
    # On several virtual CPU devices a step that is not waited for ends in deadlock.
    wait = jax.default_backend() == "cpu" and jax.device_count() > 1

    def run(states: States, keys: Sequence[Key], count: Any, data: Any) -> Any:
        key = stack(keys)
        carry, permutation = first(states, keys, data)
        for _ in range(count):
            carry = one(carry, permutation, key, data)
            if wait:
                jax.block_until_ready(carry)
        return last(carry)

    return run
