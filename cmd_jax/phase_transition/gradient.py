"""SGD of students with real weights, as a model of the sweep over mini-batch sizes.

    W <- W - η ∇ (1/m) Σ ½ ‖y_student - y_teacher‖²

Batches are padded to the largest m and masked. A replica ends in one of three ways: it
converges (its relative mean squared error on fresh patterns falls below 1e-3),
diverges, or stays on a plateau. A reconstruction, see `cmd_jax.phase_transition`.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt32

from cmd_jax import rng
from cmd_jax.phase_transition import bits
from cmd_jax.phase_transition.continuous import (
    Network,
    TwoLayer,
    check_network,
    draw_replica,
    matched_overlap,
    outputs,
    path_overlap,
)
from cmd_jax.phase_transition.diagram import Diagram
from cmd_jax.phase_transition.model import Test, Tested, Train
from cmd_jax.phase_transition.patterns import (
    check_training_set,
    drawn_patterns,
    fresh_patterns,
)
from cmd_jax.phase_transition.sign_network import check_start
from cmd_jax.phase_transition.theory import linear_unit_batch_size
from cmd_jax.types import Array, ArrayLike, Key

CONVERGED = 1e-3
DIVERGED = 100.0  # relative mean squared errors; a plateau has less than 1
_NUM_TEST = 256  # patterns of N outputs each


class Problem(NamedTuple):
    """What does not change while students learn; replicas first.

    Attributes:
      teacher: its weights.
      mask: 1 where the student has a weight.
      share: 1/m for the m patterns of a padded batch that count, else 0.
      examples: the key of the training set.
    """

    teacher: TwoLayer
    mask: TwoLayer
    share: Float[ArrayLike, "*replicas batch"]
    examples: Key


class ContinuousModel(NamedTuple):
    """`sparse_continuous` and `dense_continuous`, learned by SGD.

    Attributes:
      num_units: N, the number of inputs, hidden units and outputs.
      degree: d, inputs of each of the teacher's units.
      learning_rate: η; the threshold depends on it.
      dense: whether the student has all edges, or its teacher's.
      activation: of the hidden units, "tanh" or "relu"; outputs are linear.
      start: "random", or "teacher" for the other branch of a hysteresis.
      num_examples: size of a finite training set; 0: every batch is fresh.
      replacement: batches are drawn from it with replacement.

    Example:
      >>> import jax
      >>> from cmd_jax import phase_transition as pt
      >>> diagram = pt.sweep(
      ...     pt.ContinuousModel(num_units=8, degree=3, learning_rate=0.5),
      ...     batch_sizes=[16],
      ...     num_seeds=1,
      ...     num_sweeps=400,
      ...     test_every=100,
      ...     key=jax.random.key(0),
      ... )
      >>> pt.outcomes(diagram).tolist()
      [['converges']]
    """

    num_units: int
    degree: int
    learning_rate: float
    dense: bool = False
    activation: str = "tanh"
    start: str = "random"
    num_examples: int = 0
    replacement: bool = True

    @property
    def tolerance(self) -> float:
        """The relative mean squared error below which a replica has converged."""
        return CONVERGED

    @property
    def network(self) -> Network:
        """The architecture."""
        return Network(self.num_units, self.degree, self.dense, self.activation)

    def problem(
        self, batch_sizes: Sequence[int], keys: Sequence[Key]
    ) -> tuple[Problem, TwoLayer]:
        """What stays and what is learned, see `Model`.

        Raises:
          ValueError: a number that is not allowed; the message names it.

        Warns:
          UserWarning: the learning rate is not stable at any of the batch sizes.
        """
        self.check(max(batch_sizes))
        replicas = [draw_replica(self.network, start=self.start, key=k) for k in keys]
        teacher, student, mask = jax.tree.map(lambda *x: np.stack(x), *replicas)
        sizes = np.asarray(batch_sizes, np.int32)[:, None]
        share = ((np.arange(sizes.max()) < sizes) / sizes).astype(np.float32)
        examples = jnp.stack([rng.stream(key, "examples") for key in keys])
        return Problem(teacher, mask, share, examples), student

    def bind(self, problem: Problem) -> tuple[Train, Test]:
        """The steps for a problem, see `Model`."""

        def train(student: TwoLayer, keys: Key, key: Key) -> TwoLayer:
            del key  # there is no order of weights to draw
            inputs = jax.vmap(self.batch)(problem, keys)
            return jax.vmap(self.step)(student, problem, inputs)

        def test(student: TwoLayer, keys: Key) -> Tested:
            return jax.vmap(self.test)(student, problem, keys)

        return train, test

    def batch(self, problem: Problem, key: Key) -> Float[Array, "batch inputs"]:
        """One replica's padded batch; `key` is of this step."""
        length = problem.share.shape[-1]
        size = self.num_units, bits.num_words(length)
        if self.num_examples:
            words = drawn_patterns(
                problem.examples,
                self.num_examples,
                *size,
                replacement=self.replacement,
                key=key,
            )
        else:
            words = fresh_patterns(*size, key=key)
        return _signs(words)[:length]

    def step(
        self, student: TwoLayer, problem: Problem, inputs: Float[Array, "batch inputs"]
    ) -> TwoLayer:
        """One replica's student after a step on a padded batch."""
        slopes = self.gradient(student, problem, inputs)
        return jax.tree.map(
            lambda weight, slope: weight - self.learning_rate * slope, student, slopes
        )

    def gradient(
        self, student: TwoLayer, problem: Problem, inputs: Float[Array, "batch inputs"]
    ) -> TwoLayer:
        """The gradient of one replica's loss on a padded batch, within its mask."""
        target = outputs(problem.teacher, inputs, self.activation)

        def loss(weights: TwoLayer) -> Array:
            residual = outputs(weights, inputs, self.activation) - target
            return 0.5 * jnp.sum(problem.share * jnp.sum(residual**2, axis=1))

        return jax.tree.map(jnp.multiply, problem.mask, jax.grad(loss)(student))

    def test(self, student: TwoLayer, problem: Problem, key: Key) -> Tested:
        """E‖y_student - y_teacher‖² / E‖y_teacher‖² of one replica, and its overlap."""
        words = fresh_patterns(self.num_units, bits.num_words(_NUM_TEST), key=key)
        inputs = _signs(words)
        target = outputs(problem.teacher, inputs, self.activation)
        residual = outputs(student, inputs, self.activation) - target
        error = jnp.sum(residual**2) / jnp.sum(target**2)
        overlap = matched_overlap if self.dense else path_overlap
        return Tested(
            jnp.where(error < DIVERGED, error, jnp.inf),  # NaN as well
            overlap(problem.teacher, student),
        )

    def check(self, batch_size: int) -> None:
        """Refuses what cannot be; warns of a learning rate too large for any batch.

        Raises:
          ValueError: names the value and what is allowed.
        """
        check_network(self.network)
        check_start(self.start)
        if not self.learning_rate > 0:
            raise ValueError(
                f"learning_rate is {self.learning_rate}; it must be positive"
            )
        check_training_set(
            self.num_examples, replacement=self.replacement, batch_size=batch_size
        )
        fan_in = self.num_units if self.dense else self.degree
        critical = linear_unit_batch_size(fan_in, self.learning_rate)
        if batch_size < critical:
            warnings.warn(
                f"learning_rate {self.learning_rate} is not stable at any of the batch "
                f"sizes: one linear unit of {fan_in} inputs needs m > "
                f"η ({fan_in} - 1) / (2 - η) = {critical:.3g} and η < 2, and the "
                f"largest is {batch_size}",
                stacklevel=2,
            )

    def replica_bytes(self, batch_size: int) -> int:
        """The memory that one replica takes while it learns.

        Both layers are matrices: of the teacher, the mask, the student, its gradient
        and the student after a step; and a batch passes through three layers and back.
        """
        matrices, batches = 2 * 5 * self.num_units**2, 6 * batch_size * self.num_units
        return 4 * (matrices + batches)


def outcomes(diagram: Diagram) -> np.ndarray:
    """What became of each replica of SGD: "converges", "plateau" or "diverges".

    Args:
      diagram: of a `ContinuousModel`.

    Returns:
      Words [points, seeds].
    """
    failed = np.where(np.isfinite(diagram.error), "plateau", "diverges")
    return np.where(diagram.passed, "converges", failed)


def _signs(words: UInt32[Array, "words inputs"]) -> Float[Array, "batch inputs"]:
    """Unpacks patterns to ±1."""
    places = jnp.arange(bits.WORD, dtype=jnp.uint32)[None, :, None]
    ones = (words[:, None] >> places & 1).reshape(-1, words.shape[-1])
    return 1 - 2 * ones.astype(jnp.float32)
