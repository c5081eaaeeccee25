"""Encoders that are frozen: those of auto-encoders, trained before the network is.

Each seed has an auto-encoder of its own, which sees the seed's training images and no
labels, in as many steps and of the same batch size and augmentation as the network
afterwards. An interrupted one is begun again, with the same bits in the end; then the
encoder is in every checkpoint, as a part of the network's state.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cmd_jax import files, models, processes, rng, runs, train
from cmd_jax.types import Key, Params, PyTree
from experiments.configured.programs import initial_states, make_chunk
from experiments.configured.setup import Setup
from experiments.process import progress
from experiments.process.interruption import RESUME, Interrupted

_LEARNING_RATE = 1e-3  # of Adam


def begin(
    setup: Setup,
    keys: Sequence[Key],
    directories: Sequence[runs.SeedDirectory],
    states: train.States,
    should_stop: Callable[[], bool],
) -> train.States:
    """The states at step 0 with every seed's encoder, where the config asks for one.

    Writes what the auto-encoders reached.

    Raises:
      Interrupted: a signal asked to stop.
    """
    if setup.config.model.get("encoder") != "autoencoder":
        return states
    trained, errors = _train(_as_autoencoder(setup), keys, should_stop)
    for directory, reached in zip(directories, errors, strict=True):
        last_epoch = reached[-setup.steps_per_epoch :]
        found = {
            "first_step": float(reached[0]),
            "last_epoch": float(last_epoch.mean()),
        }
        if processes.is_primary():
            files.write_json(directory.autoencoder, found)
    pairs = zip(states, trained, strict=True)
    return tuple(_with_encoder(state, t.params["encoder"]) for state, t in pairs)


def _as_autoencoder(setup: Setup) -> Setup:
    """The setup of the auto-encoders: network, objective, optimizer and start.

    Their steps are counted on from those of the network: batches and augmentation are
    drawn by the step, and no draw is made twice.
    """
    width = setup.config.model.get("width", models.OneRep.width)
    network = models.from_linen(models.AutoEncoder(width=width), convolutional=True)
    optimizer = optax.adam(_LEARNING_RATE)

    def initial(key: Key) -> train.TrainState:
        inputs = setup.preprocess(setup.dataset.train.inputs[:1])
        key = rng.stream(key, "autoencoder")
        state = train.initial_state(network, optimizer, inputs, key=key)
        return state._replace(step=jnp.int32(setup.num_steps))

    return setup._replace(
        network=network,
        objective=train.reconstruction_error(network),
        optimizer=optimizer,
        initial=initial,
    )


def _train(
    setup: Setup, keys: Sequence[Key], should_stop: Callable[[], bool]
) -> tuple[train.States, list[np.ndarray]]:
    """The auto-encoders at their end, and the error of each of their steps."""
    start, end = setup.num_steps, 2 * setup.num_steps
    with progress.task("auto-encoder", setup.num_steps) as advance:
        errors = _Errors(lambda step, note: advance(step - start, note))
        states, step = train.train(
            initial_states(setup, keys),
            make_chunk(setup, keys),
            (errors,),
            start_step=start,
            num_steps=end,
            steps_per_epoch=setup.steps_per_epoch,
            chunk_steps=setup.config.train.chunk_steps,
            should_stop=should_stop,
        )
    if step < end:
        raise Interrupted(
            f"stopped while the auto-encoder was trained, which is begun anew; {RESUME}"
        )
    return states, errors.of_seeds()


class _Errors:
    """The hook that keeps every step's reconstruction error, and tells of it."""

    def __init__(self, advance: progress.Advance):
        self._advance = advance
        self._chunks: list[list[np.ndarray]] = []

    def next_due(self, step: int) -> int | None:
        """None: it is due at every chunk."""
        del step

    def __call__(
        self, step: int, states: train.States, metrics: train.HostMetrics
    ) -> None:
        """Keeps a chunk's errors."""
        del states
        errors = [seed["loss"] for seed in metrics]
        self._chunks.append(errors)
        self._advance(step, f"reconstruction error {np.mean(errors):.4f}")

    def of_seeds(self) -> list[np.ndarray]:
        """The errors of all steps, one array a seed."""
        return [np.concatenate(chunks) for chunks in zip(*self._chunks, strict=True)]


def _with_encoder(state: train.TrainState, encoder: Params) -> train.TrainState:
    """The state with its frozen encoder replaced, wherever the study carries it."""

    def is_network_state(node: PyTree) -> bool:
        return isinstance(node, dict) and "frozen" in node

    def fill(node: PyTree) -> PyTree:
        return (
            {**node, "frozen": {"encoder": encoder}} if is_network_state(node) else node
        )

    carried = jax.tree.map(fill, state.state, is_leaf=is_network_state)
    return state._replace(state=carried)
