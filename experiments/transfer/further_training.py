"""Training after a transfer: what the start is worth (arXiv 2305.14122, section 4.2).

From the step that validation has chosen each method's network is trained like the
source, for as many epochs and with a smaller learning rate. Standard is the target's
own training from its random initialisation.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from cmd_jax import host, runs, train
from cmd_jax.types import Key, Params, PyTree
from experiments.configured.programs import make_chunk
from experiments.configured.setup import Setup, make_optimizer
from experiments.process import progress


class TrainedOn(NamedTuple):
    """A network that was trained after the transfer.

    Attributes:
      accuracies: on the test set, before and after each epoch.
      state: what it became.
    """

    accuracies: Float[np.ndarray, " epochs"]
    state: train.TrainState


def train_on(
    setup: Setup, starts: Mapping[str, Params], state: PyTree, *, key: Key
) -> dict[str, TrainedOn]:
    """Trains transferred networks as the source was, with a smaller learning rate.

    Args:
      setup: from `prepare`.
      starts: the networks to train, by method; all see the same batches.
      state: what goes beside each, such as running statistics.
      key: the root of the batches' keys.
    """
    config = setup.config
    setup = setup._replace(
        optimizer=make_optimizer(
            config,
            setup.steps_per_epoch,
            setup.num_steps,
            learning_rate=config.transfer.follow_learning_rate,
        )
    )
    states = tuple(_begin(setup, params, state) for params in starts.values())
    chunk = make_chunk(setup, [key] * len(states))
    test, accuracies = setup.evaluations["test"], []
    with progress.task("training on", config.train.total_epochs) as advance:
        for epoch in range(config.train.total_epochs + 1):
            if epoch:
                states, _ = train.train(
                    states,
                    chunk,
                    (),
                    start_step=(epoch - 1) * setup.steps_per_epoch,
                    num_steps=epoch * setup.steps_per_epoch,
                    steps_per_epoch=setup.steps_per_epoch,
                    chunk_steps=config.train.chunk_steps,
                )
            tested = [test(one.params, one.state)["accuracy"] for one in states]
            accuracies.append(host.fetch(tested))
            advance(epoch, "")
    found = map(TrainedOn, np.array(accuracies).T, states)
    return dict(zip(starts, found, strict=True))


def _begin(setup: Setup, params: Params, state: PyTree) -> train.TrainState:
    # Copies: the chunk is donated the states, and these arrays belong to others too.
    params, state = jax.tree.map(lambda leaf: jax.numpy.array(leaf), (params, state))
    zero = jax.numpy.zeros((), jax.numpy.int32)
    return train.TrainState(zero, params, state, setup.optimizer.init(params))


def curves(
    setup: Setup, directory: runs.SeedDirectory, followed: Mapping[str, TrainedOn]
) -> dict[str, np.ndarray]:
    """The arrays of the accuracies, beside those of the target's own training."""
    rows = train.MetricsFile(directory.metrics).read()
    standard = [row for row in rows if "test/accuracy" in row]
    steps = np.array([row["step"] for row in standard])
    return {
        **{
            f"followed_{method}": found.accuracies for method, found in followed.items()
        },
        "standard_epochs": steps / setup.steps_per_epoch,
        "standard": np.array([row["test/accuracy"] for row in standard]),
    }


def epochs_to_reach(
    accuracies: Float[np.ndarray, " epochs"], wanted: float
) -> int | None:
    """The first epoch with at least the wanted accuracy; None where there is none.

    Example:
      >>> import numpy as np
      >>> from experiments.transfer.further_training import epochs_to_reach
      >>> epochs_to_reach(np.array([0.5, 0.8, 0.9]), 0.75)
      1
    """
    (reached,) = np.nonzero(accuracies >= wanted)
    return int(reached[0]) if len(reached) else None
