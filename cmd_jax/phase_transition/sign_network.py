"""Two-layer networks of sign units with weights ±1: teachers and students.

    h_i = sign(Σ_k W1_ik x_{inputs[i, k]}),  y_p = sign(Σ_j W2_pj h_{hidden[p, j]})

They are plain NumPy, unpacked and slow: what a network is, and what the bit-packed
programs are tested against.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int8, Int32, Integer

from cmd_jax import rng
from cmd_jax.phase_transition.graphs import regular_graph, tree_graph
from cmd_jax.types import Key


class SignNetwork(NamedTuple):
    """A network; teacher and student share the two graphs.

    Attributes:
      inputs: the inputs of each hidden unit.
      hidden: the hidden units of each output; one row of all for a committee.
      first: the weights ±1 of the first layer.
      second: those of the second layer.
    """

    inputs: Int32[np.ndarray, "hidden degree"]
    hidden: Int32[np.ndarray, "outputs fan_in"]
    first: Int8[np.ndarray, "hidden degree"]
    second: Int8[np.ndarray, "outputs fan_in"]


def sparse_network(num_units: int, degree: int, *, key: Key) -> SignNetwork:
    """N inputs, N hidden units, N outputs, two random regular graphs, random weights.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition
      >>> network = phase_transition.sparse_network(9, 3, key=jax.random.key(0))
      >>> network.first.shape, network.second.shape
      ((9, 3), (9, 3))
    """
    return random_weights(
        regular_graph(num_units, degree, key=rng.stream(key, "inputs")),
        regular_graph(num_units, degree, key=rng.stream(key, "hidden")),
        key=key,
    )


def committee(
    num_hidden: int, degree: int, *, graph: str = "tree", key: Key
) -> SignNetwork:
    """H hidden units that vote with equal weights for one output.

    Args:
      num_hidden: H, odd.
      degree: d, inputs of a hidden unit.
      graph: "tree" (N = H d inputs, none shared) or "regular" (N = H).
      key: draws the graph and the first layer.

    Raises:
      ValueError: an unknown graph.
    """
    if graph not in ("tree", "regular"):
        raise ValueError(f"graph={graph!r}; allowed are 'tree' and 'regular'")
    if graph == "tree":
        inputs = tree_graph(num_hidden, degree)
    else:
        inputs = regular_graph(num_hidden, degree, key=rng.stream(key, "inputs"))
    hidden = np.arange(num_hidden, dtype=np.int32)[None]
    network = random_weights(inputs, hidden, key=key)
    return network._replace(second=np.ones_like(network.second))


def random_weights(
    inputs: Int32[np.ndarray, "hidden degree"],
    hidden: Int32[np.ndarray, "outputs fan_in"],
    *,
    key: Key,
) -> SignNetwork:
    """Independent uniform weights ±1 on given graphs."""
    generator = rng.generator(rng.stream(key, "weights"))
    signs = np.array([-1, 1], np.int8)
    first, second = (generator.choice(signs, graph.shape) for graph in (inputs, hidden))
    return SignNetwork(inputs, hidden, first, second)


def first_student(
    teacher: SignNetwork, *, start: str, learn_second: bool, key: Key
) -> SignNetwork:
    """A student before learning, on its teacher's graphs.

    Args:
      teacher: whose weights are to be found.
      start: "teacher": the teacher's weights; "random": others.
      learn_second: whether the second layer is to be found too, or is the teacher's.
      key: of the replica.
    """
    if start == "teacher":
        return teacher
    student = random_weights(
        teacher.inputs, teacher.hidden, key=rng.stream(key, "student")
    )
    return student if learn_second else student._replace(second=teacher.second)


def outputs(
    network: SignNetwork, inputs: Int8[np.ndarray, "examples inputs"]
) -> Int8[np.ndarray, "examples outputs"]:
    """The outputs ±1 for inputs ±1.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import phase_transition
      >>> network = phase_transition.committee(3, 3, key=jax.random.key(0))
      >>> x = np.ones((1, 9), np.int8)
      >>> int((phase_transition.outputs(network, -x) * -1)[0, 0]) == int(
      ...     phase_transition.outputs(network, x)[0, 0]
      ... )
      True
    """
    hidden = _sign((network.first * inputs[:, network.inputs]).sum(axis=2))
    return _sign((network.second * hidden[:, network.hidden]).sum(axis=2))


def check_odd(name: str, number: int) -> None:
    """Refuses what would let sign units see as many ones as zeros.

    Raises:
      ValueError: `number` is even, or less than 3.
    """
    if number < 3 or number % 2 == 0:
        raise ValueError(
            f"{name}={number}; a sign unit needs an odd number of inputs, at least 3: "
            "with an even number its sum may be 0"
        )


def check_start(start: str) -> None:
    """Refuses a start that there is not.

    Raises:
      ValueError: lists the two that there are.
    """
    if start not in ("random", "teacher"):
        raise ValueError(f"start={start!r}; allowed are 'random' and 'teacher'")


def _sign(sums: Integer[np.ndarray, "*any"]) -> Int8[np.ndarray, "*any"]:
    return np.where(sums > 0, np.int8(1), np.int8(-1))


def path_overlap(teacher: SignNetwork, student: SignNetwork) -> float:
    """q, the mean over paths k → i → p of teacher's times student's W2 W1.

    A hidden unit whose weights of both layers are all flipped computes the same: q does
    not change. It is 1 for equal networks and 0 on average for independent ones. For
    one output and inputs that hidden units share, networks with different weights may
    be the same function: there q is no order parameter.

    Returns:
      A number from -1 to 1.
    """
    first = (teacher.first * student.first).mean(axis=1, dtype=np.float64)
    second: Float64[np.ndarray, "outputs fan_in"] = np.multiply(
        teacher.second, student.second, dtype=np.float64
    )
    return float((second * first[teacher.hidden]).mean())


def flip_gauge(
    network: SignNetwork, units: Int32[np.ndarray, " flipped"]
) -> SignNetwork:
    """The same function with all weights into and out of some hidden units flipped."""
    sign = np.ones(len(network.first), np.int8)
    sign[units] = -1
    return network._replace(
        first=network.first * sign[:, None],
        second=network.second * sign[network.hidden],
    )
