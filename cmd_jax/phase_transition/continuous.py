"""Teachers and students with real weights (reconstruction): sparse and dense networks.

    h = σ(W1 x), x in {±1}^N        y = W2 h        σ = tanh, or ReLU

A teacher reads d inputs a unit in both layers, over two independent random graphs, with
weights ±1/√d. A sparse student has its teacher's graphs, a dense one all N² edges of
each layer. Both are matrices, and a mask says which weights there are.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from cmd_jax import rng
from cmd_jax.phase_transition.graphs import check_degree, regular_graph
from cmd_jax.phase_transition.sign_network import check_start
from cmd_jax.types import Array, ArrayLike, Key

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
}


class TwoLayer(NamedTuple):
    """The weights of both layers; row i of a layer are those that unit i reads with.

    Attributes:
      hidden: W1, [*seeds, units, inputs].
      output: W2, [*seeds, outputs, units].
    """

    hidden: ArrayLike
    output: ArrayLike


class Network(NamedTuple):
    """The architecture of teacher and student.

    Attributes:
      num_units: N, the number of inputs, hidden units and outputs.
      degree: d, inputs of each of the teacher's units.
      dense: whether the student has all edges, or its teacher's.
      activation: of the hidden units, "tanh" or "relu"; outputs are linear.
    """

    num_units: int
    degree: int
    dense: bool = False
    activation: str = "tanh"


class Replica(NamedTuple):
    """A teacher, its student at the start, and the weights that the student has.

    Attributes:
      teacher: its weights.
      student: its weights.
      mask: 1 where the student has a weight, else 0.
    """

    teacher: TwoLayer
    student: TwoLayer
    mask: TwoLayer


def check_network(network: Network) -> None:
    """Refuses a network that cannot be.

    Raises:
      ValueError: names the field and what is allowed.
    """
    check_degree(network.num_units, network.degree)
    if network.activation not in ACTIVATIONS:
        raise ValueError(
            f"activation is {network.activation!r}; allowed are "
            f"{', '.join(ACTIVATIONS)}"
        )


def draw_replica(network: Network, *, start: str = "random", key: Key) -> Replica:
    """Draws a teacher with its graphs, and a student.

    Args:
      network: its sizes.
      start: "random": sparse students start at N(0, 1/d), dense ones at N(0, 1/N);
        "teacher": at the teacher's weights.
      key: draws all of it.

    Raises:
      ValueError: no such network or start.

    Example:
      >>> import jax
      >>> from cmd_jax.phase_transition.continuous import Network, draw_replica
      >>> replica = draw_replica(Network(8, 3), key=jax.random.key(0))
      >>> replica.mask.hidden.sum(axis=1).tolist()
      [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    """
    check_network(network)
    check_start(start)
    graphs = TwoLayer(
        *(_adjacency(network, rng.stream(key, n)) for n in TwoLayer._fields)
    )
    draws = rng.generator(rng.stream(key, "weights"))
    signs = np.array([-1, 1], np.float32) * np.float32(network.degree**-0.5)
    teacher = jax.tree.map(
        lambda graph: graph * draws.choice(signs, graph.shape), graphs
    )
    mask = jax.tree.map(np.ones_like, graphs) if network.dense else graphs
    if start == "teacher":
        return Replica(teacher, teacher, mask)
    spread = np.float32(
        (network.num_units if network.dense else network.degree) ** -0.5
    )
    student = jax.tree.map(
        lambda m: m * spread * draws.standard_normal(m.shape, np.float32), mask
    )
    return Replica(teacher, student, mask)


def _adjacency(network: Network, key: Key) -> Float[np.ndarray, "units inputs"]:
    graph = regular_graph(network.num_units, network.degree, key=key)
    matrix = np.zeros((network.num_units, network.num_units), np.float32)
    np.put_along_axis(matrix, graph, np.float32(1), axis=1)
    return matrix


def outputs(
    weights: TwoLayer, inputs: Float[ArrayLike, "batch inputs"], activation: str
) -> Float[Array, "batch outputs"]:
    """What a network says, in full float32 on every device."""
    hidden = _matmul(inputs, weights.hidden)
    return _matmul(ACTIVATIONS[activation](hidden), weights.output)


def _matmul(inputs: ArrayLike, rows: ArrayLike) -> Array:
    return jnp.matmul(inputs, jnp.transpose(rows), precision="highest")


def path_overlap(teacher: TwoLayer, student: TwoLayer) -> Float[Array, ""]:
    """The overlap q: the cosine of the paths' weights W2_pi W1_ik of both networks.

    A path leads from an input through a hidden unit to an output. Both layers of a unit
    may be negated: tanh is odd, so the network says the same, and q is the same.

    Returns:
      1 for the same network, 0 on average for an unrelated one.
    """
    return _cosine(jnp.diagonal(_products(teacher, student)), teacher, student)


def matched_overlap(teacher: TwoLayer, student: TwoLayer) -> Float[Array, ""]:
    """The overlap q with the hidden units in the order that makes it largest.

    Example:
      >>> import jax
      >>> from cmd_jax.phase_transition.continuous import (
      ...     Network, TwoLayer, draw_replica, matched_overlap
      ... )
      >>> teacher = draw_replica(Network(8, 3), key=jax.random.key(0)).teacher
      >>> turned = TwoLayer(-teacher.hidden[::-1], -teacher.output[:, ::-1])
      >>> round(float(matched_overlap(teacher, turned)), 5)
      1.0
    """
    products = _products(teacher, student)
    finite = jnp.nan_to_num(products)  # of a student that diverges
    rows, columns = optax.assignment.hungarian_algorithm(-finite)
    return _cosine(products[rows, columns], teacher, student)


def _products(
    teacher: TwoLayer, student: TwoLayer
) -> Float[Array, "units student_units"]:
    """The sum over the paths through each pair of hidden units."""
    inward = _matmul(teacher.hidden, student.hidden)
    outward = _matmul(jnp.transpose(teacher.output), jnp.transpose(student.output))
    return inward * outward


def _cosine(
    products: Float[Array, " units"], teacher: TwoLayer, student: TwoLayer
) -> Float[Array, ""]:
    squares = [
        jnp.sum(jnp.sum(jnp.square(w.hidden), 1) * jnp.sum(jnp.square(w.output), 0))
        for w in (teacher, student)
    ]
    return jnp.sum(products) / jnp.sqrt(squares[0] * squares[1])
