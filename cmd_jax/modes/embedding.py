"""Embedded CMD: weights that are fixed functions of their mode's reference weight.

An embedded weight i of mode m = c(i) is no longer free (arXiv 2312.13247):

    w_i = a_i (r_m - r_m(0)) + b_i

with a_i and b_i of the round that has embedded it. r_m(0) is the first fitted record of
the reference, so b_i is the weight where the reference is there: the same line as
a_i r_m + b_i, which in float32 would lose what moves little beside its size.

When a weight is embedded says `embedding_rule`, what training does with it
`embedded_optimizers` and `tied_weights`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cmd_jax import host, trees
from cmd_jax.modes.decomposition import Decomposition
from cmd_jax.modes.online_references import OnlineReferences, locate_references, read
from cmd_jax.trajectory import check_params
from cmd_jax.trajectory.estimator import place_beside, place_like
from cmd_jax.types import Array, Params, PyTree


class Embedding(NamedTuple):
    """Which weights are functions of their references, and which functions; a pytree.

    Its shapes never change: the masks of later rounds take the place of the first.

    Attributes:
      references: the reference weights, as at the last round.
      embedded: which weights are embedded, leaves of bools; never a reference.
      labels: c, the mode of each weight, uint8.
      slope: a, float32: of the round that embedded a weight; of the last round where it
        is not embedded yet.
      intercept: b, float32, in the same way.
      scale: each weight's standard deviation over the warm-up, float32, where the rule
        asks for it; else None.
    """

    references: OnlineReferences
    embedded: PyTree
    labels: PyTree
    slope: PyTree
    intercept: PyTree
    scale: PyTree = None

    @property
    def num_embedded(self) -> int:
        """How many weights are embedded; fetches the masks."""
        masks = jax.tree.leaves(host.fetch(self.embedded))
        return int(sum(np.sum(mask) for mask in masks))


def nothing_embedded(
    params: Params, *, num_modes: int, scaled: bool = False
) -> Embedding:
    """An embedding before there are modes: every weight is free.

    Args:
      params: the parameters, or their shapes.
      num_modes: how many modes there will be.
      scaled: whether the rule asks for `scale`.

    Raises:
      ValueError: `num_modes` is below 1.
    """
    if num_modes < 1:
        raise ValueError(f"num_modes is {num_modes}; allowed are 1 and up")

    def zeros(dtype: Any) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, dtype), params)

    nowhere = jnp.full(num_modes, -1, jnp.int32)
    numbers = [jnp.zeros(num_modes, jnp.float32) for _ in range(4)]
    return Embedding(
        references=OnlineReferences(nowhere, jnp.copy(nowhere), *numbers),
        embedded=zeros(bool),
        labels=zeros(jnp.uint8),
        slope=zeros(jnp.float32),
        intercept=zeros(jnp.float32),
        scale=zeros(jnp.float32) if scaled else None,
    )


def begin_embedding(
    decomposition: Decomposition, params: Params, *, scaled: bool = False
) -> Embedding:
    """The embedding where the warm-up ends: modes and a first fit, every weight free.

    The first round measures from here how far slope and intercept have moved.

    Args:
      decomposition: of the warm-up, the one that online CMD continues.
      params: says on which devices the arrays belong.
      scaled: whether the rule asks for `scale`.

    Raises:
      ValueError: the parameters are not those of the decomposed network.
    """
    check_params(params, like=decomposition.template)
    references = locate_references(
        decomposition.references,
        decomposition.reference_history,
        decomposition.template,
    )

    def intercept(origin: Any, mean: Any, slope: Any, labels: Any) -> Any:
        exact = origin + mean.astype(np.float64) - slope * references.mean[labels]
        return exact.astype(np.float32)

    def place(tree: PyTree) -> PyTree:
        return jax.tree.map(place_like, tree, params)

    fit = decomposition
    return Embedding(
        references=place_beside(references, params),
        embedded=place(jax.tree.map(lambda x: np.zeros(x.shape, bool), fit.labels)),
        labels=place(fit.labels),
        slope=place(fit.slope),
        intercept=place(
            jax.tree.map(intercept, fit.origin, fit.mean, fit.slope, fit.labels)
        ),
        scale=place(_scale(fit, references)) if scaled else None,
    )


def _scale(fit: Decomposition, references: OnlineReferences) -> PyTree:
    """Standard deviations: R² is the share of the variance a² Var(r) has in it."""
    deviation = np.sqrt(np.asarray(references.spread) / len(fit.steps))

    def scale(slope: Any, labels: Any, explained: Any) -> Any:
        share = np.where(explained > 0, explained, 1)
        return np.abs(slope) * deviation[labels] / np.sqrt(share)

    return jax.tree.map(scale, fit.slope, fit.labels, fit.explained)


def follow_references(embedding: Embedding, params: Params) -> Params:
    """The parameters with every embedded weight where its reference puts it.

    Args:
      embedding: which weights, and how.
      params: the references are read from them, the free weights taken.

    Example:
      >>> import jax.numpy as jnp
      >>> from cmd_jax import modes
      >>> free = modes.nothing_embedded(jnp.zeros(2), num_modes=1)
      >>> one = free._replace(
      ...     references=free.references._replace(
      ...         leaf=jnp.zeros(1, int), offset=jnp.zeros(1, int)
      ...     ),
      ...     embedded=jnp.array([False, True]),
      ...     slope=jnp.array([0.0, -2.0]),
      ...     intercept=jnp.array([0.0, 1.0]),
      ... )
      >>> modes.follow_references(one, jnp.array([3.0, 9.0])).tolist()
      [3.0, -5.0]
    """
    moved = read(embedding.references, params) - embedding.references.origin

    def value(leaf: Any, embedded: Any, labels: Any, slope: Any, intercept: Any) -> Any:
        followed = (intercept + slope * moved[labels]).astype(leaf.dtype)
        return jnp.where(embedded, followed, leaf)

    return jax.tree.map(
        value,
        params,
        embedding.embedded,
        embedding.labels,
        embedding.slope,
        embedding.intercept,
    )


def reference_coordinates(embedding: Embedding, params: Params) -> Array:
    """Flat coordinates of the references; traced; meaningless before there are any."""
    sizes = trees.leaf_sizes(params)
    starts = jnp.asarray(np.cumsum(sizes) - sizes, jnp.int32)
    references = embedding.references
    return starts[references.leaf] + references.offset
