"""Dynamic Mode Decomposition of a trajectory: a linear map from record to record.

With the records as columns, X = [w_0 ... w_T-2] and Y = [w_1 ... w_T-1], the rank r map

    w_t+1 ≈ A w_t,    A = Y X⁺ restricted to the r leading directions U of X

is, by the method of snapshots, a matter of the T×T Gram matrix G alone: X'X = V S² V'
gives U = X V / S, A_r = U'Y V / S and the first record's coordinates S V' e_0. So the
record t is X c_t with coefficients c_t = V/S A_r^t S V' e_0: sums of exponentials in t,
the eigenvalues of A_r to the power t. CMD forces no such form on a weight (arXiv
2312.13247, fig. 1).

References:
  P. Schmid, "Dynamic Mode Decomposition of Numerical and Experimental Data", J. Fluid
  Mech. 2010. J. Tu et al., "On Dynamic Mode Decomposition", J. Comput. Dyn. 2014.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Complex128, Float64

from cmd_jax.trajectory.blocks import AnyTrajectory, modelled_leaves
from cmd_jax.trajectory.gram import combine_records, gram_matrix
from cmd_jax.types import Params, PyTree

_RANK = 1e-14  # of the largest squared singular value: less is float32's rounding


class DynamicModes(NamedTuple):
    """A linear map from each record to the next, restricted to few directions.

    Attributes:
      directions: U, leaves [modes, *leaf], orthonormal over all weights.
      operator: A_r, the map in their coordinates.
      first: the coordinates of record 0.
      template: record 0; leaves that do not count stay as there.
    """

    directions: PyTree
    operator: Float64[np.ndarray, "modes modes"]
    first: Float64[np.ndarray, " modes"]
    template: Params

    @property
    def eigenvalues(self) -> Complex128[np.ndarray, " modes"]:
        """Of the map: what a mode is multiplied with from record to record."""
        return np.linalg.eigvals(self.operator).astype(complex)

    def at(self, record: int) -> Params:
        """What the map makes of record 0 after so many records, fitted or later ones.

        Raises:
          ValueError: a negative `record`.
        """
        if record < 0:
            raise ValueError(f"record is {record}; allowed are 0 and up")
        coordinates = np.linalg.matrix_power(self.operator, record) @ self.first

        def combine(directions: np.ndarray, leaf: np.ndarray) -> np.ndarray:
            if not directions.any():
                return leaf
            return np.tensordot(coordinates, directions, axes=1).astype(leaf.dtype)

        return jax.tree.map(combine, self.directions, self.template)


def fit_dynamic_modes(
    trajectory: AnyTrajectory, *, num_modes: int, mask: PyTree = None
) -> DynamicModes:
    """Fits a linear map from record to record.

    Reads the trajectory twice, block by block.

    Args:
      trajectory: at least 2 records, in memory or stored, at equal distances in time.
      num_modes: r, at most the records less one; there are fewer modes where the
        records span fewer directions.
      mask: a pytree prefix of bools, True where leaves count; None for all. Leaves left
        out, and those not of floating point, stay as in record 0.

    Raises:
      ValueError: more modes than the records have, or a record that is not finite.

    Example:
      >>> import numpy as np
      >>> from cmd_jax import baselines
      >>> from cmd_jax.trajectory import Trajectory
      >>> decay = np.array([[8, 1], [4, 1], [2, 1], [1, 1]], np.float32)
      >>> found = baselines.fit_dynamic_modes(
      ...     Trajectory(decay, np.arange(4)), num_modes=2
      ... )
      >>> np.sort(found.eigenvalues.real).round(3).tolist()
      [0.5, 1.0]
      >>> found.at(5).round(3).tolist()
      [0.25, 1.0]
    """
    most = len(trajectory) - 1
    if not 1 <= num_modes <= most:
        raise ValueError(
            f"num_modes is {num_modes}; allowed are 1 to {most}, the records less one"
        )
    leaves = modelled_leaves(trajectory.template, mask)
    gram = gram_matrix(trajectory, leaves, centred=False)
    squares, vectors = np.linalg.eigh(gram[:-1, :-1])
    squares, vectors = squares[::-1][:num_modes], vectors[:, ::-1][:, :num_modes]
    spanned = squares > _RANK * squares[0]
    scales, vectors = np.sqrt(squares[spanned]), vectors[:, spanned]
    coefficients = vectors / scales
    rows = np.concatenate([coefficients, np.zeros((1, len(scales)))]).T
    _, directions = combine_records(trajectory, leaves, rows, centred=False)
    return DynamicModes(
        directions=directions,
        operator=coefficients.T @ gram[:-1, 1:] @ coefficients,
        first=scales * vectors[0],
        template=trajectory[0],
    )
