"""Which inputs a unit reads: random regular graphs, a tree, the complete graph.

A graph is an integer array [units, degree]: row i lists the inputs of unit i. Draws are
made on the host by a key, so the same key gives the same graph everywhere.
"""

import numpy as np
from jaxtyping import Int32

from cmd_jax import rng
from cmd_jax.types import Key

Graph = Int32[np.ndarray, "units degree"]
"""Row i lists the inputs of unit i."""

_MAX_ROUNDS = 1000


def regular_graph(num_units: int, degree: int, *, key: Key) -> Graph:
    """A random graph of N inputs and N units, regular on both sides.

    Every unit reads `degree` different inputs, and every input is read by `degree`
    units. Half-edges are matched at random; what makes a double edge is exchanged with
    other edges at random until there is none.

    Args:
      num_units: N.
      degree: d.
      key: draws the graph.

    Returns:
      The inputs of each unit.

    Raises:
      ValueError: no such graph exists.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import phase_transition
      >>> graph = phase_transition.regular_graph(10, 3, key=jax.random.key(0))
      >>> np.bincount(graph.ravel()).tolist()
      [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    check_degree(num_units, degree)
    generator = rng.generator(key)
    if 2 * degree > num_units:  # few edges are missing: draw those instead
        return _complement(_matched(num_units, num_units - degree, generator))
    return _matched(num_units, degree, generator)


def check_degree(num_units: int, degree: int) -> None:
    """Refuses the degree of a graph that cannot be.

    Raises:
      ValueError: `degree` is not between 1 and `num_units`.
    """
    if not 1 <= degree <= num_units:
        raise ValueError(
            f"degree={degree} with num_units={num_units}: there is no such graph "
            "without double edges; allowed are degrees from 1 to num_units"
        )


def _matched(num_units: int, degree: int, generator: np.random.Generator) -> Graph:
    edges = generator.permutation(np.repeat(np.arange(num_units), degree))
    edges = edges.reshape(num_units, degree).astype(np.int32)
    for _ in range(_MAX_ROUNDS):
        doubled = _doubled(edges)
        if not doubled.size:
            return edges
        flat = edges.reshape(-1)
        for place in doubled:
            other = generator.integers(flat.size)
            flat[place], flat[other] = flat[other], flat[place]
    raise ValueError(
        f"no graph of num_units={num_units} and degree={degree} without double edges "
        f"was found in {_MAX_ROUNDS} rounds; choose a smaller degree or more units"
    )


def _doubled(edges: Graph) -> np.ndarray:
    """Flat places of the edges whose input stands earlier in the same row."""
    order = np.argsort(edges, axis=1, kind="stable")
    in_order = np.take_along_axis(edges, order, axis=1)
    rows, columns = np.nonzero(in_order[:, 1:] == in_order[:, :-1])
    return rows * edges.shape[1] + order[rows, columns + 1]


def _complement(
    edges: Int32[np.ndarray, "units missing"],
) -> Int32[np.ndarray, "units degree"]:
    missing = np.ones((len(edges), len(edges)), bool)
    np.put_along_axis(missing, edges, False, axis=1)
    return np.nonzero(missing)[1].reshape(len(edges), -1).astype(np.int32)


def tree_graph(num_units: int, degree: int) -> Graph:
    """Units that share no input: unit i reads the inputs i d, …, i d + d - 1.

    Example:
      >>> from cmd_jax import phase_transition
      >>> phase_transition.tree_graph(2, 3).tolist()
      [[0, 1, 2], [3, 4, 5]]
    """
    return np.arange(num_units * degree, dtype=np.int32).reshape(num_units, degree)


def dense_graph(num_units: int) -> Graph:
    """N units that all read all of N inputs.

    Example:
      >>> from cmd_jax import phase_transition
      >>> phase_transition.dense_graph(2).tolist()
      [[0, 1], [0, 1]]
    """
    return np.tile(np.arange(num_units, dtype=np.int32), (num_units, 1))


def readers(graph: Graph) -> Int32[np.ndarray, "inputs degree"]:
    """The edges that leave each input of a graph regular on both sides.

    Returns:
      For input i the flat places in `graph` where i stands, in ascending order.

    Example:
      >>> import numpy as np
      >>> from cmd_jax.phase_transition.graphs import readers
      >>> readers(np.array([[1, 0], [0, 1]], np.int32)).tolist()
      [[1, 2], [0, 3]]
    """
    return np.argsort(graph, axis=None, kind="stable").reshape(graph.shape).astype("i4")
