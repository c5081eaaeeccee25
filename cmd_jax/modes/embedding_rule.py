"""When which weights are embedded: the quantile rule of embedded CMD.

Every L records the P per cent of the weights join whose slope and intercept have moved
least since the last round; there is no threshold (arXiv 2312.13247, as released).
Records are counted as there: t = 0 is the first fitted one, the warm-up ends at t = F,
and a round is due at t > F where L divides t.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float64

from cmd_jax import host, trees
from cmd_jax.modes.embedding import Embedding
from cmd_jax.modes.online_estimate import OnlineState
from cmd_jax.spelling import did_you_mean
from cmd_jax.trajectory.estimator import place_like
from cmd_jax.types import PyTree

CRITERIA = ("coefficients", "function", "relative")


class EmbeddingRule(NamedTuple):
    """How many weights are embedded when, and by what the settled ones are known.

    Attributes:
      warmup_records: F; the modes are fitted at t = F, of F + 1 records.
      every_records: L, from round to round.
      per_cent: P, of all weights, above 0 and at most 100.
      of_remaining: P per cent of the weights that are left instead.
      criterion: what has to have moved little since the last round:
        "coefficients": |(a, b)|, as released; it depends on the reference's scale.
        "function": the line a r + b itself, in root mean square over the records:
        Δ² = (Δa)² Var(r) + (Δa mean(r) + Δb)².
        "relative": the same over the weight's standard deviation in the warm-up.

    Example:
      >>> from cmd_jax import modes
      >>> rule = modes.EmbeddingRule(warmup_records=20, every_records=10, per_cent=10)
      >>> [t for t in range(60) if rule.is_due(t)]
      [30, 40, 50]
      >>> rule.num_embedded(40, num_weights=1000, num_modes=10)
      190
    """

    warmup_records: int = 20
    every_records: int = 10
    per_cent: float = 10.0
    of_remaining: bool = False
    criterion: str = "coefficients"

    def check(self) -> None:
        """Refuses numbers that are not allowed.

        Raises:
          ValueError: names the value and what is allowed.
        """
        if not 0 < self.per_cent <= 100:
            raise ValueError(
                f"per_cent is {self.per_cent}; allowed are numbers above 0 and at most "
                "100"
            )
        for name, least in (("warmup_records", 2), ("every_records", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least {least}"
                )
        if self.criterion not in CRITERIA:
            raise ValueError(
                f"criterion is {self.criterion!r}"
                f"{did_you_mean(self.criterion, CRITERIA)}; allowed are "
                f"{', '.join(CRITERIA)}"
            )

    @property
    def first_record(self) -> int:
        """The t of the first round."""
        every = self.every_records
        return (self.warmup_records // every + 1) * every

    def is_due(self, record: int) -> bool:
        """Whether weights are embedded at t = `record`."""
        return record > self.warmup_records and record % self.every_records == 0

    def num_embedded(self, record: int, *, num_weights: int, num_modes: int) -> int:
        """How many weights are embedded after the round of t = `record`, or the last.

        The references are taken out after the selection: they never move in their own
        fit, and so are selected in the first round.
        """
        every = self.every_records
        num_rounds = max(record // every - self.warmup_records // every, 0)
        selected = 0
        for _ in range(num_rounds):
            among = num_weights - selected * self.of_remaining
            selected += math.ceil(self.per_cent * among / 100)
            if selected >= num_weights:
                break
        return max(min(selected, num_weights) - num_modes, 0)


def embed_settled(
    embedding: Embedding, online: OnlineState, rule: EmbeddingRule, *, record: int
) -> Embedding:
    """A round: embeds the weights whose fit has moved least since the last one.

    Rounds are rare, and the selection is made on the host.

    Args:
      embedding: of the last round, or `begin_embedding`.
      online: online CMD at this record, begun with the same decomposition.
      rule: how many, and by what.
      record: t, which says how many weights are embedded after this round.

    Returns:
      The embedding with more weights, and with a and b of now for those still free.
    """
    before, state = host.fetch((embedding, online))
    old = _Lines(_flat(before.slope), _flat(before.intercept))
    new, modelled = _fitted(before, state)
    embedded = _flat(before.embedded)
    free = modelled & ~embedded
    count = rule.num_embedded(
        record, num_weights=int(modelled.sum()), num_modes=len(state.references.leaf)
    )
    candidates = free.copy()
    candidates[_coordinates(before)] = False
    moved = _movement(old, new, before, state, rule.criterion)
    joining = _smallest(moved, candidates, count - int(embedded.sum()))
    slope, intercept = (np.where(free, *pair) for pair in zip(new, old, strict=True))
    return embedding._replace(
        # Copies: the next update of `online` may be given its state to write into.
        references=jax.tree.map(jnp.copy, online.references),
        embedded=_like(embedding.embedded, embedded | joining),
        slope=_like(embedding.slope, slope),
        intercept=_like(embedding.intercept, intercept),
    )


class _Lines(NamedTuple):
    """a and b of every weight, in tree order; b is where the reference began."""

    slope: Float64[np.ndarray, " weights"]
    intercept: Float64[np.ndarray, " weights"]


def _fitted(
    embedding: Embedding, state: OnlineState
) -> tuple[_Lines, Bool[np.ndarray, " weights"]]:
    """The lines of online CMD, and which weights it models."""
    spread = np.where(state.references.spread > 0, state.references.spread, np.inf)
    slopes, intercepts, modelled = [], [], []
    for labels, origin, moments in zip(
        jax.tree.leaves(embedding.labels),
        jax.tree.leaves(state.origin),
        jax.tree.leaves(state.moments, is_leaf=lambda leaf: leaf is None),
        strict=True,
    ):
        is_modelled = moments is not None
        moments = moments if is_modelled else np.zeros(labels.shape, np.complex64)
        slope = moments.imag / spread[labels].astype(np.float64)
        mean = origin + moments.real.astype(np.float64)
        slopes.append(slope)
        intercepts.append(mean - slope * state.references.mean[labels])
        modelled.append(np.full(labels.shape, is_modelled))
    return _Lines(_flat(slopes), _flat(intercepts)), _flat(modelled).astype(bool)


def _movement(
    old: _Lines,
    new: _Lines,
    embedding: Embedding,
    state: OnlineState,
    criterion: str,
) -> Float64[np.ndarray, " weights"]:
    """How far each weight's line has moved, by the criterion."""
    references, labels = state.references, _flat(embedding.labels)
    slope, intercept = new.slope - old.slope, new.intercept - old.intercept
    if criterion == "coefficients":
        return np.hypot(slope, intercept - slope * references.origin[labels])
    deviation = np.sqrt(references.spread / state.num_records)[labels]
    moved = np.hypot(slope * deviation, slope * references.mean[labels] + intercept)
    if criterion == "function":
        return moved
    return moved / np.maximum(_flat(embedding.scale), np.finfo(np.float32).tiny)


def _smallest(
    moved: Float64[np.ndarray, " weights"],
    candidates: Bool[np.ndarray, " weights"],
    number: int,
) -> Bool[np.ndarray, " weights"]:
    """Which of the candidates have moved least."""
    chosen = np.zeros(len(moved), bool)
    if number > 0:
        distance = np.where(candidates, moved, np.inf)
        chosen[np.argpartition(distance, number - 1)[:number]] = True
    return chosen


def _coordinates(embedding: Embedding) -> np.ndarray:
    """Flat coordinates of the references."""
    sizes = trees.leaf_sizes(embedding.labels)
    starts = np.cumsum(sizes) - sizes
    return starts[embedding.references.leaf] + embedding.references.offset


def _flat(tree: PyTree) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def _like(tree: PyTree, values: np.ndarray) -> PyTree:
    """A flat array in the structure, dtypes and devices of a tree."""
    leaves, structure = jax.tree.flatten(tree)
    parts = np.split(values, np.cumsum(trees.leaf_sizes(tree))[:-1])
    return structure.unflatten(
        place_like(part.astype(leaf.dtype).reshape(leaf.shape), leaf)
        for part, leaf in zip(parts, leaves, strict=True)
    )
