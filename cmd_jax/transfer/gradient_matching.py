"""Gradient matching along a trajectory: GMT and FGMT (arXiv 2305.14122, section 3).

A source's displacements, permuted, are added to another initialisation,

    θ_2^t = θ_2^0 + π (θ_1^t - θ_1^0)                                          (*)

with the π that brings the gradients of both networks together along the way:

    π_s = argmin_π Σ_{t ≤ s} ‖∇L(θ_2^{t-1}) - π ∇L(θ_1^{t-1})‖²      s = 1, …, T

where θ_2 is built by (*) from π_{s-1}. GMT takes all pairs of gradients anew at every
s, FGMT (fast) only the pair t = s. Both networks of a pair see the same batch.
"""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import jax

from cmd_jax.spelling import did_you_mean
from cmd_jax.transfer.carried import Transfer, with_one, without_permutations
from cmd_jax.transfer.gradients import (
    Gradient,
    Objective,
    check_finite,
    make_gradient,
)
from cmd_jax.transfer.groups import PermutationGroups
from cmd_jax.transfer.matching import match
from cmd_jax.transfer.pairs import add_pair, no_pairs, without_constant
from cmd_jax.transfer.permutation import identity
from cmd_jax.transfer.source_path import AnyTrajectory, source_path
from cmd_jax.transfer.terms import Leaves, moved_leaves
from cmd_jax.types import Key, Params, PyTree

TRANSFERS = ("fgmt", "gmt", "naive")


def transfer(
    source: AnyTrajectory,
    target_init: Params,
    groups: PermutationGroups,
    objective: Objective,
    batches: PyTree | Callable[[int, int], PyTree],
    state: PyTree = None,
    *,
    method: str = "fgmt",
    num_steps: int,
    path: str = "linear",
    shares: Any = "uniform",
    source_gradients: dict[int, Leaves] | None = None,
    key: Key,
) -> Transfer:
    """Carries a trajectory to another initialisation without training it.

    The gradients are of the bare loss in training mode: give an objective without
    weight decay. Running statistics are not carried over: gather them anew before the
    target is tested (`train.make_reestimate`).

    Args:
      source: the trained network's records, of which the first is its initialisation
        and the last what it became.
      target_init: the parameters θ_2^0 to start from. Arrays of another shape than the
        source's (another head) stay as they are.
      groups: the permutation groups of the network's parameters.
      objective: (params, state, batch, key) -> (loss, (state, aux)).
      batches: leaves [num_steps, micro, batch, ...], one batch a step, so that the
        source's gradients are computed once; or a function `batches(s, t)` that draws
        leaves [micro, batch, ...] for every pair of gradients, the literal algorithm.
      state: what the objective carries along beside the parameters; none by default.
      method: "fgmt" (T pairs of gradients), "gmt" (T (T + 1) / 2), or "naive", which
        adds the displacements as they are.
      num_steps: T.
      path: "linear", from the source's first record to its last, or "recorded", for
        which the source needs T + 1 records. The recorded path fails where a trained
        network is fine-tuned.
      shares: the straight line's λ_1, …, λ_T: "uniform", "cosine" or an array.
      source_gradients: the source's gradients by step, to be shared by transfers of the
        same source, batches and key to several targets: it is read, and filled.
      key: for what is random in the objective.

    Returns:
      The target's trajectory, by every step's permutation.

    Raises:
      ValueError: an option that is not allowed, a source of one record, too few
        batches, networks of different widths, or a loss that is no scalar.
      FloatingPointError: a gradient is not finite; names the leaf and the step.

    Warns:
      UserWarning: there are no groups, so that all methods are "naive"; or the path is
        a recorded one.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np
      >>> from cmd_jax.trajectory import Trajectory
      >>> from cmd_jax.transfer import Group, Occurrence, PermutationGroups, transfer
      >>> hidden = Group(3, (Occurrence("in", 1), Occurrence("out", 0)))
      >>> draws = np.random.default_rng(0)
      >>> def network():
      ...     return {
      ...         "in": draws.normal(size=(4, 3)).astype(np.float32),
      ...         "out": draws.normal(size=(3, 2)).astype(np.float32),
      ...     }
      >>> def objective(params, state, batch, key):
      ...     outputs = jnp.tanh(batch["x"] @ params["in"]) @ params["out"]
      ...     return ((outputs - batch["y"]) ** 2).mean(), (state, {})
      >>> batches = {"x": draws.normal(size=(2, 1, 8, 4)), "y": np.ones((2, 1, 8, 2))}
      >>> result = transfer(
      ...     Trajectory.stack([network(), network()]), network(),
      ...     PermutationGroups((hidden,)), objective, batches,
      ...     num_steps=2, key=jax.random.key(0),
      ... )
      >>> len(result.permutations), len(result.materialise())
      (2, 3)

    References:
      Chijiwa, Transferring Learning Trajectories of Neural Networks, ICLR 2024 (arXiv
      2305.14122), section 3.
    """
    if method not in TRANSFERS:
        raise ValueError(
            f"unknown method {method!r}{did_you_mean(method, TRANSFERS)}; allowed are "
            f"{', '.join(TRANSFERS)}"
        )
    way = source_path(source, path=path, shares=shares, num_steps=num_steps)
    blank = without_permutations(way, target_init, groups)
    if not any(group.occurrences for group in blank.groups):
        warnings.warn(
            "there are no permutation groups of arrays that both networks have: the "
            "transfer is the naive one",
            stacklevel=2,
        )
        method = "naive"
    if method == "naive":
        return with_one(blank, identity(blank.groups))
    if path == "recorded":
        warnings.warn(
            "a recorded path transfers badly where a trained network is fine-tuned; "
            "the linear path is the default",
            stacklevel=2,
        )
    draw = _drawing(batches, num_steps)
    gradient = make_gradient(objective, {} if state is None else state, key=key)
    gradient.check(blank.target_init, draw(1, 1))
    known = {} if source_gradients is None else source_gradients
    return _match_gradients(
        blank,
        gradient,
        draw,
        known=None if callable(batches) else known,
        all_pairs=method == "gmt",
    )


def _drawing(
    batches: PyTree | Callable[[int, int], PyTree], num_steps: int
) -> Callable[[int, int], PyTree]:
    """`draw(s, t)`: the batch of a pair."""
    if callable(batches):
        return batches
    shapes = [leaf.shape for leaf in jax.tree.leaves(batches)]
    if not shapes or any(len(shape) < 3 or shape[0] < num_steps for shape in shapes):
        raise ValueError(
            f"batches have the shapes {shapes}; {num_steps} steps need leaves "
            f"[{num_steps} or more, micro, batch, ...]"
        )
    return lambda s, t: jax.tree.map(lambda leaf: leaf[t - 1], batches)


def _match_gradients(
    blank: Transfer,
    gradient: Gradient,
    draw: Callable[[int, int], PyTree],
    *,
    known: dict[int, Leaves] | None,
    all_pairs: bool,
) -> Transfer:
    """GMT (all pairs of gradients at each step) or FGMT (only that step's own).

    `known` are the source's gradients by step; None where each pair has its own batch.
    """
    groups = blank.groups
    pairs = no_pairs(groups, blank.target_init, blank.num_steps)
    permutation, matchings = identity(groups), []

    def gradients_of(params: Params, batch: PyTree, step: int, network: str) -> Leaves:
        found = gradient(params, batch, step)
        check_finite(found, network=network, step=step)
        return moved_leaves(groups, found)

    def of_source(batch: PyTree, step: int) -> Leaves:
        if known is not None and step in known:
            return known[step]
        found = gradients_of(blank.path.at(step - 1), batch, step, "source")
        if known is not None:
            known[step] = found
        return found

    for step in range(1, blank.num_steps + 1):
        if all_pairs:
            pairs = without_constant(pairs)
        for t in range(1 if all_pairs else step, step + 1):
            batch = draw(step, t)
            params = blank.at(permutation, t - 1)
            target = gradients_of(params, batch, t, "target")
            pairs = add_pair(groups, pairs, t - 1, of_source(batch, t), target)
        matchings.append(match(groups, pairs, initial=permutation))
        permutation = matchings[-1].permutation
    return dataclasses.replace(
        blank,
        permutations=tuple(matching.permutation for matching in matchings),
        matchings=tuple(matchings),
    )
