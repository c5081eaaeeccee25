"""Where the weights of a sparse sign network lie for a sweep in colour classes.

Everything of a hidden unit stands together: its d incoming weights (slots) and its d
outgoing edges, in rows [classes, d, size], so that a sub-step reads and writes one
contiguous block. Only the other hidden units of an output, its siblings, lie elsewhere.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, UInt32

from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.colouring import Classes
from cmd_jax.phase_transition.graphs import readers
from cmd_jax.phase_transition.sign_network import SignNetwork
from cmd_jax.types import ArrayLike


class Arrangement(NamedTuple):
    """One replica's graphs in classes; places are flat in [classes, d, size].

    Attributes:
      real: False where a class is filled up with units that nothing reads.
      inputs: the input of each slot.
      siblings: the places of the other edges into the same output as each edge.
      edges: the place of each output's edges.
      output: the output of each edge.
    """

    real: Bool[ArrayLike, "classes size"]
    inputs: Int32[ArrayLike, "classes degree size"]
    siblings: Int32[ArrayLike, "classes degree siblings size"]
    edges: Int32[ArrayLike, "outputs degree"]
    output: Int32[ArrayLike, "classes degree size"]


def arrange(network: SignNetwork, classes: Classes) -> Arrangement:
    """Places the units of a network class by class."""
    number, size = classes.shape
    degree = network.hidden.shape[1]
    unit = np.maximum(classes, 0)
    leaving = _by_slot(readers(network.hidden), unit)  # flat places in network.hidden
    output, slot = np.divmod(leaving, degree)
    places = np.arange(number * degree * size).reshape(number, degree, size)
    edges = np.zeros(network.hidden.size, np.int32)
    real = np.broadcast_to((classes >= 0)[:, None], leaving.shape)
    edges[leaving[real]] = places[real]
    edges = edges.reshape(network.hidden.shape)
    others = (slot[:, :, None] + np.arange(1, degree)[:, None]) % degree
    return Arrangement(
        real=classes >= 0,
        inputs=_by_slot(network.inputs, unit).astype(np.int32),
        siblings=edges[output[:, :, None], others],
        edges=edges,
        output=output.astype(np.int32),
    )


def _by_slot(rows: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Each unit's row, in the shape [classes, degree, size]."""
    return np.moveaxis(rows[unit], -1, 1)


class Weights(NamedTuple):
    """Both layers' weights in classes, as words of equal bits."""

    first: UInt32[ArrayLike, "classes degree size"]
    second: UInt32[ArrayLike, "classes degree size"]


def to_classes(network: SignNetwork, classes: Classes) -> Weights:
    """The weights of a network, class by class."""
    unit = np.maximum(classes, 0)
    second = network.second.reshape(-1)[readers(network.hidden)]
    return Weights(
        bits.to_bits(_by_slot(network.first, unit)),
        bits.to_bits(_by_slot(second, unit)),
    )


def from_classes(
    weights: Weights, network: SignNetwork, classes: Classes
) -> SignNetwork:
    """A network with the graphs of `network` and weights that were trained."""
    real = classes >= 0
    first, second = np.empty_like(network.first), np.empty(network.second.size, np.int8)
    first[classes[real]] = bits.to_signs(
        np.moveaxis(np.asarray(weights.first), 1, -1)[real]
    )
    leaving = readers(network.hidden)[classes[real]]
    second[leaving] = bits.to_signs(
        np.moveaxis(np.asarray(weights.second), 1, -1)[real]
    )
    return network._replace(first=first, second=second.reshape(network.second.shape))
