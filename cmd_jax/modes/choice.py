"""How many modes: mean R² of a decomposition against M, with chance beside each M.

R² grows with M for independent random walks too, so that it is its gain over them that
counts: it grows as long as modes find structure, and falls when they only divide it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float64, Int64

from cmd_jax import trees
from cmd_jax.modes.decomposition import check_sizes
from cmd_jax.modes.fit import fit_references
from cmd_jax.modes.null import random_walks
from cmd_jax.modes.references import draw_sample, find_references
from cmd_jax.modes.statistics import summarise
from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.types import Key, PyTree

CHANCE = 0.05
"""A gain in mean R² below this is chance: the null itself varies by .01 to .02."""

ENOUGH = 0.02
"""A gain that is this close to the largest is as good."""


class ModesChoice(NamedTuple):
    """Mean R² by the number of modes, and which number to take.

    Attributes:
      candidates: the numbers of modes that were tried, M, increasing.
      r_squared: the mean of R² over all moving weights at each M.
      null_r_squared: the same of independent random walks, see `random_walk_null`.
      suggested: the M to take; None where the modes do not rise above chance.
      reason: why, in a sentence.
    """

    candidates: Int64[np.ndarray, " candidates"]
    r_squared: Float64[np.ndarray, " candidates"]
    null_r_squared: Float64[np.ndarray, " candidates"]
    suggested: int | None
    reason: str


def choose_num_modes(
    trajectory: AnyTrajectory,
    *,
    candidates: Sequence[int] = (1, 2, 3, 5, 10, 20),
    num_samples: int = 1000,
    method: str = "k_medoids",
    num_restarts: int = 1,
    num_walks: int = 20_000,
    mask: PyTree = None,
    mesh: Mesh | None = None,
    key: Key,
) -> ModesChoice:
    """Measures R² against the number of modes, and suggests one.

    The gain of M modes is their mean R² minus that of the random-walk null at the same
    M. Suggested is the smallest M whose gain is within .02 of the largest gain, and
    none where the largest is below .05.

    The sampled weights are drawn and correlated once; each M then costs a clustering
    and one pass over the trajectory, in which every weight is fitted: with the same key
    R² is exactly that of `decompose`.

    Args:
      trajectory: the records; as for `decompose`, without the initialisation.
      candidates: numbers of modes to try, in any order.
      num_samples: as for `decompose`, and so on.
      method: likewise.
      num_restarts: likewise.
      num_walks: how many walks stand for the weights of the network in the null.
      mask: as for `decompose`.
      mesh: likewise; the null is every process's own.
      key: the same key gives the same result.

    Returns:
      Both curves and the suggestion.

    Raises:
      ValueError: there are no candidates; or as `decompose` and `random_walk_null`.

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> rng = np.random.default_rng(0)
      >>> hidden = rng.normal(size=(30, 3)).cumsum(axis=0)
      >>> weights = hidden[:, rng.integers(0, 3, 300)] * rng.uniform(1, 2, 300)
      >>> found = modes.choose_num_modes(
      ...     Trajectory({"w": np.float32(weights)}, np.arange(30)),
      ...     candidates=(2, 3),
      ...     num_samples=100,
      ...     num_walks=1000,
      ...     key=jax.random.key(0),
      ... )
      >>> found.suggested, found.r_squared.round(1).tolist()
      (3, [0.8, 1.0])
    """
    numbers = sorted(set(candidates))
    if not numbers:
        raise ValueError("candidates is empty; give at least one number of modes")
    leaves = modelled_leaves(trajectory.template, mask)
    num_weights = int(trees.leaf_sizes(trajectory.template)[leaves].sum())
    for number in (numbers[0], numbers[-1]):
        check_sizes(
            num_records=len(trajectory),
            num_weights=num_weights,
            num_modes=number,
            num_samples=num_samples,
            method=method,
            num_restarts=num_restarts,
        )
    walks = random_walks(trajectory, num_samples, num_walks, mask=mask, key=key)
    options = {"method": method, "num_restarts": num_restarts, "key": key}
    found = _curve(trajectory, numbers, num_samples, mask=mask, mesh=mesh, **options)
    null = _curve(walks, numbers, num_samples, **options)
    return ModesChoice(
        np.array(numbers, np.int64), found, null, *_suggest(numbers, found, null)
    )


def _curve(
    trajectory: AnyTrajectory,
    numbers: Sequence[int],
    num_samples: int,
    *,
    method: str,
    num_restarts: int,
    mask: PyTree = None,
    mesh: Mesh | None = None,
    key: Key,
) -> Float64[np.ndarray, " candidates"]:
    """The mean R² over all moving weights at each number of modes."""
    sample = draw_sample(
        trajectory, num_samples, method=method, mask=mask, mesh=mesh, key=key
    )
    means = []
    for number in numbers:
        references = find_references(
            trajectory,
            sample,
            number,
            method=method,
            num_restarts=num_restarts,
            mask=mask,
            key=key,
        )
        fit = fit_references(trajectory, references, mask=mask, mesh=mesh)
        means.append(summarise(fit, len(references)).mean_r_squared)
    return np.array(means)


def _suggest(
    numbers: Sequence[int],
    r_squared: Float64[np.ndarray, " candidates"],
    null: Float64[np.ndarray, " candidates"],
) -> tuple[int | None, str]:
    """The number of modes to take, and why."""
    gain = r_squared - null
    largest = gain.max()
    if largest < CHANCE:
        return None, (
            f"modes do not rise above chance: their mean R² is at most {largest:.2f} "
            f"above that of random walks, and less than {CHANCE} is chance"
        )
    chosen = int(np.flatnonzero(gain >= largest - ENOUGH)[0])
    return numbers[chosen], (
        f"with M = {numbers[chosen]} the mean R² is {gain[chosen]:.2f} above that of "
        f"random walks; no M that was tried gains {ENOUGH} more"
    )
