"""Post-hoc CMD: w_i(t) ≈ a_i r_c(i)(t) + b_i (arXiv 2312.13247, eq. 2 and §3).

A sample of weights is clustered by its correlations; the central weight of each cluster
is its mode's reference; every weight joins the reference it correlates with most.
"""

from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, Float64, Int64

from cmd_jax import trees
from cmd_jax.modes.fit import MAX_MODES, fit_references
from cmd_jax.modes.histories import gather
from cmd_jax.modes.references import METHODS, draw_sample, find_references
from cmd_jax.modes.statistics import Statistics, summarise
from cmd_jax.spelling import did_you_mean
from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.types import Key, PyTree

_MAX_RESTARTS = 10_000


class Decomposition(NamedTuple):
    """A trajectory as a few reference weights and how all others follow them.

    `labels`, `slope`, `intercept`, `mean`, `origin` and `explained` are pytrees like
    the parameters, of NumPy arrays; in carried leaves they are zero. Coordinates are
    flat ones, in tree order over all leaves.

    Attributes:
      labels: c, the mode of each weight, uint8.
      slope: a, float32; exactly 1 for a reference, 0 for a weight that never moved.
      intercept: b, float32; exactly 0 for a reference.
      mean: the mean over the records, minus `origin`, float32.
      origin: the first record, float32.
      explained: R² of each weight, the explained share of its variance over the
        records, float32; 0 for a weight that never moved by 1e-19 and for no other.
      references: the coordinate of each mode's reference. There may be fewer modes than
        asked for, with the method "hierarchical".
      reference_history: r, the references at each record.
      samples: the coordinates of the weights that were clustered.
      steps: the optimizer step of each record.
      counts: how many moving weights each leaf has in each mode.
      r_squared: the mean over these weights of R², the explained share of a weight's
        variance over the records; 0 where there are none.
      correlation: the mean of |correlation with the reference| over a leaf's moving
        weights, 0 where there are none.
      carried: the leaves that are not modelled (integers, or left out by the mask), by
        name, at the last record.
      template: shapes and dtypes of the parameters.
    """

    labels: PyTree
    slope: PyTree
    intercept: PyTree
    mean: PyTree
    origin: PyTree
    explained: PyTree
    references: Int64[np.ndarray, " modes"]
    reference_history: Float32[np.ndarray, "records modes"]
    samples: Int64[np.ndarray, " samples"]
    steps: Int64[np.ndarray, " records"]
    counts: Int64[np.ndarray, "leaves modes"]
    r_squared: Float64[np.ndarray, "leaves modes"]
    correlation: Float64[np.ndarray, " leaves"]
    carried: dict[str, np.ndarray]
    template: PyTree

    @property
    def mean_correlation(self) -> float:
        """The mean of |correlation with the reference| over all moving weights."""
        return float(self.correlation @ self.counts.sum(axis=1) / self.counts.sum())

    @property
    def mean_r_squared(self) -> float:
        """The mean of R² over all moving weights."""
        sums = Statistics(self.counts, self.r_squared, self.correlation)
        return sums.mean_r_squared

    @property
    def constant(self) -> PyTree:
        """Whether a weight is modelled and never moved: it has label 0 and slope 0."""
        names = trees.leaf_names(self.template)
        leaves, structure = jax.tree.flatten(self.explained)
        constant = [
            (leaf == 0) & (name not in self.carried)
            for name, leaf in zip(names, leaves, strict=True)
        ]
        return structure.unflatten(constant)

    @property
    def num_constant(self) -> int:
        """How many modelled weights never moved."""
        return int(sum(leaf.sum() for leaf in jax.tree.leaves(self.constant)))


def decompose(
    trajectory: AnyTrajectory,
    *,
    num_modes: int = 10,
    num_samples: int = 1000,
    method: str = "k_medoids",
    num_restarts: int = 1,
    mask: PyTree = None,
    mesh: Mesh | None = None,
    key: Key,
) -> Decomposition:
    """Decomposes a trajectory into correlation modes.

    CMD leaves the initialisation out: pass `trajectory[1:]` of a recorded run. A stored
    trajectory is read memory-mapped, a few times for the sampled weights and once for
    all, so it may be larger than memory.

    Args:
      trajectory: at least 3 records, in memory or stored.
      num_modes: M, at most 255.
      num_samples: K, the weights whose correlations are clustered.
      method: "k_medoids" on 1 - |correlation|; "hierarchical" as in the released code,
        which may find fewer modes; "random_references", M weights drawn uniformly from
        all that move, without clustering.
      num_restarts: random starts of k-medoids, of which the best is kept.
      mask: a pytree prefix of bools, True where leaves are modelled; None for all.
        Leaves left out, and those not of floating point, keep their last value.
      mesh: the devices that share the work, from `sharding.make_mesh`: the rows of the
        correlation matrix and the weights to fit. Every process of the mesh calls, and
        all get the whole result. None: this process alone.
      key: the same key gives the same decomposition.

    Returns:
      The decomposition; `reconstruct` makes parameters of it.

    Raises:
      ValueError: fewer than 3 records; a number or a method that is not allowed; no
        motion at all; a history that is not finite (the message names leaf and record).

    Example:
      >>> import jax, numpy as np
      >>> from cmd_jax import modes
      >>> from cmd_jax.trajectory import Trajectory
      >>> hidden = np.array([[0, 3], [1, 1], [2, 4], [4, 2]], np.float32)
      >>> weights = hidden @ np.array([[1, 2, -1, 0, 0], [0, 0, 0, 1, -3]], np.float32)
      >>> trajectory = Trajectory({"kernel": weights + 7}, np.arange(4))
      >>> fit = modes.decompose(
      ...     trajectory, num_modes=2, num_samples=5, key=jax.random.key(0)
      ... )
      >>> fit.labels["kernel"].tolist(), round(fit.mean_r_squared, 3)
      ([0, 0, 0, 1, 1], 1.0)

    References:
      J. Brokman et al., "Enhancing Neural Training via a Correlated Dynamics Model",
      ICLR 2024.
    """
    leaves = modelled_leaves(trajectory.template, mask)
    check_sizes(
        num_records=len(trajectory),
        num_weights=int(trees.leaf_sizes(trajectory.template)[leaves].sum()),
        num_modes=num_modes,
        num_samples=num_samples,
        method=method,
        num_restarts=num_restarts,
    )
    sample = draw_sample(
        trajectory, num_samples, method=method, mask=mask, mesh=mesh, key=key
    )
    references = find_references(
        trajectory,
        sample,
        num_modes,
        method=method,
        num_restarts=num_restarts,
        mask=mask,
        key=key,
    )
    fit = fit_references(trajectory, references, mask=mask, mesh=mesh)
    return Decomposition(
        **fit._asdict(),
        **summarise(fit, len(references))._asdict(),
        references=references,
        reference_history=gather(trajectory, references),
        samples=sample.coordinates,
        steps=np.asarray(trajectory.steps),
        carried=_carried(trajectory, leaves),
        template=trajectory.template,
    )


def check_sizes(
    *,
    num_records: int,
    num_weights: int,
    num_modes: int,
    num_samples: int,
    method: str,
    num_restarts: int = 1,
) -> None:
    """Refuses what `decompose` would refuse, before there is a trajectory.

    Args:
      num_records: records to decompose.
      num_weights: weights that are modelled.
      num_modes: as for `decompose`, and so on.
      num_samples: at least `num_modes` and at most `num_weights`.
      method: one of `METHODS`.
      num_restarts: at least 1, at most 10 000.

    Raises:
      ValueError: names the value and what is allowed.
    """
    if num_records < 3:
        raise ValueError(
            f"there are {num_records} records to decompose; at least 3 are needed. "
            "Record more often or train longer"
        )
    if method not in METHODS:
        raise ValueError(
            f"method is {method!r}{did_you_mean(method, METHODS)}; allowed are "
            f"{', '.join(METHODS)}"
        )
    if not 1 <= num_samples <= num_weights:
        raise ValueError(
            f"num_samples is {num_samples}; allowed are 1 to {num_weights}, the "
            "weights that are modelled"
        )
    most = min(num_samples, MAX_MODES)
    if not 1 <= num_modes <= most:
        raise ValueError(
            f"num_modes is {num_modes}; allowed are 1 to {most} (num_samples is "
            f"{num_samples}, and there are at most {MAX_MODES} modes)"
        )
    if not 1 <= num_restarts <= _MAX_RESTARTS:
        raise ValueError(
            f"num_restarts is {num_restarts}; allowed are 1 to {_MAX_RESTARTS}"
        )


def _carried(trajectory: AnyTrajectory, leaves: list[int]) -> dict[str, np.ndarray]:
    names = trees.leaf_names(trajectory.template)
    if len(leaves) == len(names):
        return {}
    last = jax.tree.leaves(trajectory[len(trajectory) - 1])
    return {
        names[number]: np.array(leaf)
        for number, leaf in enumerate(last)
        if number not in leaves
    }
