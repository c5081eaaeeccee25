"""A chunk: some optimizer steps of every seed, compiled once for any number of steps.

Batches are uint8 (`feed`); augmentation happens inside. A chunk never crosses the end
of an epoch, so it needs one permutation. How its steps are called: `dispatch`.

Over a mesh the same programs run on all devices: parameters are copied to each, a batch
is split, and the compiler inserts the sums over devices that means over the batch need,
in gradients as in batch statistics.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Float, Int, Shaped

from cmd_jax import rng, sharding
from cmd_jax.data import Examples, Subset
from cmd_jax.train.dispatch import scanned, stepped
from cmd_jax.train.feed import Batch, DeviceFeed, HostFeed, Rows
from cmd_jax.train.objective import Objective
from cmd_jax.train.state import States, TrainState
from cmd_jax.types import Array, Key

Metrics = dict[str, Float[Array, " steps"]]
Preprocess = Callable[[Array, Key], Shaped[Array, "batch *features"]]


@runtime_checkable
class Chunk(Protocol):
    """What `make_chunk` builds."""

    def __call__(
        self,
        states: States,
        count: int,
        *,
        start: int | None = None,
        following: int = 0,
    ) -> tuple[States, tuple[Metrics, ...]]:
        """Trains all seeds for `count` steps of one epoch.

        Args:
          states: one TrainState per seed, all at the same step; they are donated.
          count: how many steps.
          start: the step that the states are at, where the caller knows it: a fed chunk
            has to ask the device otherwise.
          following: how many steps the next chunk will have; a fed chunk prepares their
            batches meanwhile.

        Returns:
          One TrainState and one dict of metrics (arrays of length max_steps, the first
          `count` filled) per seed.
        """
        ...


class _Carry(NamedTuple):
    train: TrainState
    metrics: Metrics
    position: Int[Array, ""]


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
    placement: str = "device",
    mesh: Mesh | None = None,
    subset: Subset | None = None,
) -> Chunk:
    """Builds the function that trains all seeds for some steps of one epoch.

    Args:
      objective: (params, state, batch, key) -> (loss, (state, aux)).
      optimizer: an Optax transformation.
      examples: the training set.
      preprocess: (stored inputs, key) -> inputs of the network, in training mode.
      batch_size: examples of a step; the remainder of an epoch is left out.
      max_steps: the longest chunk; the length of the metrics' buffers.
      dispatch: "scan" or "step".
      vectorize: True trains the seeds side by side (vmap), False one after another.
      keys: one root key per seed.
      placement: where the training set lies: "device" moves it there, once; "host"
        feeds it chunk by chunk, and needs dispatch "step".
      mesh: the devices that a batch is split over; None for one device.
      subset: draws the examples that a seed trains on by its key; None for all.

    Returns:
      The compiled chunk; see `Chunk`.

    Raises:
      ValueError: an option that is not allowed, or a batch that the devices of the mesh
        cannot share evenly.
    """
    _check(dispatch, placement, batch_size, mesh)
    groups = [tuple(keys)] if vectorize else [(key,) for key in keys]
    rows = Rows(len(examples.labels), subset)
    feed = (
        DeviceFeed(examples, rows, batch_size=batch_size, mesh=mesh)
        if placement == "device"
        else HostFeed(examples, rows, groups, batch_size=batch_size, mesh=mesh)
    )
    if mesh is not None:
        groups = sharding.place(groups, sharding.replicated(mesh))
    shapes = _batch_shapes(examples, batch_size)
    begin = _make_begin(objective, feed, preprocess, shapes, max_steps)
    step = _make_step(objective, optimizer, feed, preprocess, mesh)
    build = scanned if dispatch == "scan" else stepped
    run = build(begin, step, len(groups[0]))

    def chunk(
        states: States, count: int, *, start: int | None = None, following: int = 0
    ) -> tuple[States, tuple[Metrics, ...]]:
        if mesh is not None:
            states = sharding.place(states, sharding.replicated(mesh))
        fed: Sequence[Iterator[Batch] | None] = [None] * len(groups)
        if isinstance(feed, HostFeed):
            start = int(states[0].step) if start is None else start
            fed = feed.open(start, count, following)
        done: list[tuple[TrainState, Metrics]] = []
        for group, batches in zip(groups, fed, strict=True):
            members = states[len(done) : len(done) + len(group)]
            done += zip(*run(members, group, count, batches, feed.data), strict=True)
        return tuple(s for s, _ in done), tuple(m for _, m in done)

    return chunk


def _check(dispatch: str, placement: str, batch_size: int, mesh: Mesh | None) -> None:
    if dispatch not in ("scan", "step"):
        raise ValueError(
            f"unknown dispatch {dispatch!r}; allowed are 'scan' and 'step'"
        )
    if placement not in ("device", "host"):
        raise ValueError(
            f"unknown placement {placement!r}; allowed are 'device' and 'host'"
        )
    if placement == "host" and dispatch == "scan":
        raise ValueError(
            "dispatch 'scan' needs placement 'device'; a training set that stays on "
            "the host is fed with dispatch 'step'"
        )
    if mesh is not None and batch_size % mesh.size:
        raise ValueError(
            f"a batch of {batch_size} examples cannot be split over {mesh.size} "
            "devices; allowed are numbers of devices that divide it"
        )


def _batch_shapes(examples: Examples, batch_size: int) -> Any:
    return tuple(
        jax.ShapeDtypeStruct((batch_size, *x.shape[1:]), x.dtype)
        for x in (examples.inputs, examples.labels)
    )


def _make_begin(
    objective: Objective,
    feed: DeviceFeed | HostFeed,
    preprocess: Preprocess,
    batch_shapes: Any,
    max_steps: int,
) -> Callable[[TrainState, Key], tuple[_Carry, Any]]:
    def begin(train: TrainState, key: Key) -> tuple[_Carry, Any]:
        metrics = jax.tree.map(
            lambda x: jnp.zeros(max_steps, jnp.float32), metric_shapes(train, key)
        )
        carry = _Carry(train, metrics, jnp.zeros((), jnp.int32))
        return carry, feed.begin(key, train.step)

    def metric_shapes(train: TrainState, key: Key) -> dict[str, Any]:
        images, labels = batch_shapes
        batch = {"inputs": jax.eval_shape(preprocess, images, key), "labels": labels}
        loss, (_, aux) = jax.eval_shape(
            objective, train.params, train.state, batch, key
        )
        return {"loss": loss, **aux["metrics"]}

    return begin


def _make_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    feed: DeviceFeed | HostFeed,
    preprocess: Preprocess,
    mesh: Mesh | None,
) -> Callable[[_Carry, Any, Key, Any], _Carry]:
    gradient = jax.value_and_grad(objective, has_aux=True)
    optimizer = optax.with_extra_args_support(optimizer)

    def step(carry: _Carry, fed: Any, key: Key, data: Any) -> _Carry:
        train = carry.train
        images, labels = feed.batch(fed, train.step, data)
        inputs = preprocess(images, rng.stream(key, "augment", train.step))
        rest = (
            train.state,
            {"inputs": inputs, "labels": labels},
            rng.stream(key, "objective", train.step),
        )
        (loss, (state, aux)), gradients = gradient(train.params, *rest)
        updates, optimizer_state = optimizer.update(
            gradients,
            train.optimizer_state,
            train.params,
            value=loss,  # with `value_fn`, for optimizers that search along a line
            value_fn=lambda params: objective(params, *rest)[0],
        )
        params = optax.apply_updates(train.params, updates)
        metrics = {
            name: carry.metrics[name].at[carry.position].set(value)
            for name, value in {"loss": loss, **aux["metrics"]}.items()
        }
        train = TrainState(train.step + 1, params, state, optimizer_state)
        carry = _Carry(train, metrics, carry.position + 1)
        if mesh is None:
            return carry
        return jax.lax.with_sharding_constraint(carry, sharding.replicated(mesh))

    return step
