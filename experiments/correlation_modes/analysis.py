"""What a finished seed is asked beside its decomposition: M, landscape, path, claims.

Everything is given back as arrays for the page. Networks are evaluated on at most
`_MAX_EXAMPLES` examples of each set, on this process's first device, and on a grid
whose size is fixed by that of the network: see `grid_side`. Of a text an example is a
window of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cmd_jax import data, host, modes, train, trees
from cmd_jax.modes.null import random_walks
from cmd_jax.train.compilation import jit
from cmd_jax.trajectory import (
    StoredTrajectory,
    path_length,
    plane_metrics,
    principal_plane,
)
from cmd_jax.types import Array, Key, Params, PyTree
from experiments.configured import recording
from experiments.configured.setup import Setup
from experiments.process import progress

Arrays = dict[str, np.ndarray]

_CANDIDATES = (1, 2, 5, 10, 20, 50, 100)  # up to twice the config's M, which joins
_MAX_EXAMPLES = 500  # of each set
_MAX_TOKENS = 5000  # of each set, if it is a text
_SIDES = {100_000: 17, 1_000_000: 11}  # of the grids, by the size of the network
_MARGIN = 0.15  # of the plane beyond the path, as a share of its extent


def grid_side(setup: Setup) -> int:
    """Places along each side of the grids of networks; 0 where there are none.

    Odd, so that the CMD point is among them. No grid of a network with more than a
    million weights, nor where only a part of the weights was recorded.
    """
    if not recording.whole_network(setup.config.record):
        return 0
    size = trees.count(setup.template.params)
    return next((side for most, side in _SIDES.items() if size <= most), 0)


def analyse(
    setup: Setup,
    recorded: StoredTrajectory,
    decomposition: modes.Decomposition,
    state: train.TrainState,
    *,
    key: Key,
) -> Arrays:
    """The arrays of the page's sections about M, landscape, path and claims."""
    arrays = {
        **_choice(setup, recorded, key),
        **_claims(recorded, decomposition, key),
        **_length(recorded),
    }
    evaluate = None
    if grid_side(setup):
        progress.say("evaluating networks around the last one and around the path")
        panels = _panels(setup.dataset)
        evaluate = _evaluation(setup, panels, state.state)
        arrays |= _landscape(setup, recorded, evaluate, key)
        arrays["panel_names"] = np.array(list(panels))
    return {**arrays, **_path(setup, recorded, evaluate)}


def _choice(setup: Setup, recorded: StoredTrajectory, key: Key) -> Arrays:
    num_modes = setup.config.modes.num_modes
    most = min(2 * num_modes, setup.config.modes.num_samples)
    found = modes.choose_num_modes(
        recorded,
        candidates=[num_modes, *(number for number in _CANDIDATES if number <= most)],
        mesh=setup.mesh,
        key=key,
        **_without_num_modes(setup),
    )
    return {
        "choice_candidates": found.candidates,
        "choice_r_squared": found.r_squared,
        "choice_null": found.null_r_squared,
        "choice_suggested": np.array(found.suggested or 0),
        "choice_reason": np.array(found.reason),
    }


def _without_num_modes(setup: Setup) -> dict[str, Any]:
    names = ("num_samples", "method", "num_restarts")
    return {name: setup.config.modes[name] for name in names}


def _claims(
    recorded: StoredTrajectory, decomposition: modes.Decomposition, key: Key
) -> Arrays:
    spread = modes.layer_spread(decomposition.counts, key=key)
    samples = decomposition.samples
    walks = random_walks(recorded, len(samples), len(samples), key=key)
    histories = {
        "blocks": modes.gather(recorded, samples),
        "null_blocks": walks.params["walks"],
    }
    arrays = {f"spread_{name}": values for name, values in spread._asdict().items()}
    for name, history in histories.items():
        found = modes.two_blocks(modes.correlation_matrix(history))
        arrays[name] = np.array([*found.shares, found.within, found.between])
    return arrays


def _length(recorded: StoredTrajectory) -> Arrays:
    """The length of the path, and the distance between its ends."""
    ends = recorded[:: len(recorded) - 1]
    lengths = [path_length(part)[-1] for part in (recorded, ends)]
    return {"path_length": np.array(lengths)}


def _panels(dataset: data.Dataset) -> dict[str, data.Examples]:
    """The first examples of each set that the landscape has a panel for.

    A text has none for single classes: each window has tokens of many.
    """
    held_out = "validation" if len(dataset.validation.labels) else "test"
    panels = {
        "training set": _first(dataset.train),
        f"{held_out} set": _first(getattr(dataset, held_out)),
    }
    for number in () if dataset.of_tokens else (0, 1):
        name = f"class {number} of the training set"
        panels[name] = _first(dataset.train, dataset.train.labels == number)
    return panels


def _first(examples: data.Examples, among: np.ndarray | bool = True) -> data.Examples:
    number, *tokens = examples.labels.shape
    most = max(_MAX_TOKENS // tokens[0], 1) if tokens else _MAX_EXAMPLES
    chosen = np.flatnonzero(np.broadcast_to(among, number))[:most]
    return data.Examples(examples.inputs[chosen], examples.labels[chosen])


def _evaluation(
    setup: Setup, panels: Mapping[str, data.Examples], state: PyTree
) -> Callable[[Params], Array]:
    """`evaluate(params) -> losses`, the mean loss on each panel.

    The panels are one batch, so that a network is evaluated by one program.
    """
    sizes = [len(examples.labels) for examples in panels.values()]
    shares = np.repeat(np.eye(len(sizes), dtype=np.float32), sizes, axis=1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    images = np.concatenate([examples.inputs for examples in panels.values()])
    labels = np.concatenate([examples.labels for examples in panels.values()])
    batch = jax.device_put((images, labels, shares))
    state = jax.device_put(host.fetch(state))

    def losses(params: Params, state: PyTree, batch: tuple[Array, ...]) -> Array:
        images, labels, shares = batch
        inputs = setup.preprocess(images, train=False)
        logits, _ = setup.network.apply(params, state, inputs, train=False)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        each = each.reshape(len(images), -1).mean(axis=1)
        return jnp.matmul(shares, each, precision=jax.lax.Precision.HIGHEST)

    compiled = jit(losses)
    reestimate = train.make_reestimate(
        setup.network,
        setup.dataset.train.inputs[:_MAX_EXAMPLES],
        preprocess=setup.preprocess,
        batch_size=setup.config.train.batch_size,
        dispatch=setup.dispatch,
    )
    return lambda params: compiled(params, reestimate(params, state), batch)


def _landscape(
    setup: Setup,
    recorded: StoredTrajectory,
    evaluate: Callable[[Params], Array],
    key: Key,
) -> Arrays:
    """Nothing where two modes are not found ("hierarchical" may find one)."""
    if setup.config.modes.num_samples < 2:
        return {}
    pair = modes.decompose(
        recorded, num_modes=2, mesh=setup.mesh, key=key, **_without_num_modes(setup)
    )
    if len(pair.references) != 2:
        return {}
    found = modes.reference_landscape(evaluate, pair, num_values=grid_side(setup))
    return {
        "landscape_x": found.x,
        "landscape_y": found.y,
        "landscape_losses": found.metrics,
        "landscape_final": found.final,
        "landscape_place": found.place,
    }


def _path(
    setup: Setup,
    recorded: StoredTrajectory,
    evaluate: Callable[[Params], Array] | None,
) -> Arrays:
    """The path in its plane, and the training loss around it if there is a grid."""
    found = principal_plane(recorded)
    arrays = {
        "path_coordinates": found.coordinates,
        "path_explained": found.explained,
    }
    if evaluate is None:
        return arrays
    low, high = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
    margin = _MARGIN * (high - low).max()
    x, y = np.linspace(low - margin, high + margin, grid_side(setup)).T
    losses = plane_metrics(evaluate, found.plane, x, y)[:, :, 0]
    return {**arrays, "path_x": x, "path_y": y, "path_losses": losses}
